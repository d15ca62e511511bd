"""Does a run begin on a cluster that has no worker yet, as the files for clouds describe?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_network import ROOT, lacking

pytestmark = pytest.mark.slow

CONFIG = """\
name: digits
task: {name: ImageClassification, dataset: {name: digits}}
model:
  layers: [flatten, {dense: {units: $width}}]
  parameters: {width: {int: [4, 64]}}
search: {algorithm: random, trials: 4, max_epochs: 2}
rank: {top: 1, folds: 2}
"""


def begun(folder: Path, *overrides: str) -> tuple[int, str]:
    """What the first steps of a job say beside such a cluster, and what becomes of the run."""
    run = folder / "run"
    place = folder / "shipped"
    place.mkdir(exist_ok=True)
    (place / "config.yaml").write_text(CONFIG)
    words = ["generate", "--config", "config.yaml", "--run-dir", str(run)]
    words += ["--output", str(run / "model.py"), *overrides]
    begin = [sys.executable, "-m", "raygen.begin", "1", "3", str(run), "config.yaml"]
    growing = str(Path(__file__).with_name("growing_cluster.py"))
    done = subprocess.run(
        [sys.executable, growing, str(folder), *begin, *words],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_workers_come_when_a_run_begins(tmp_path: Path) -> None:
    """Nothing fits on the head; the autoscaler is asked, and both nodes that may be are there."""
    if reason := lacking():
        pytest.skip(reason)

    code, told = begun(tmp_path)

    assert code == 0, told
    assert "no node has room for a trial; asking for more than 1 of 3" in told
    assert f"begun: all 3 nodes see {tmp_path / 'run'}" in told
    assert json.loads((tmp_path / "run" / "leaderboard.json").read_text())["entries"]
