"""Does a run get into the containers of a cluster file's ``docker:``, and back out of them?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_nodes import DATA, into_containers, lacking_containers
from small_network import SmallNetwork, lacking

pytestmark = pytest.mark.slow

CONFIG = """\
name: digits
task: {name: ImageClassification, dataset: {name: digits}}
model:
  layers: [flatten, {dense: {units: $width}}]
  parameters: {width: {int: [4, 64]}, learning_rate: {float: [0.001, 0.1], log: true}}
search: {algorithm: random, trials: 4, max_epochs: 3}
rank: {top: 1, folds: 2}
"""
RAY = (sys.executable, "-m", "ray.scripts.scripts")


@pytest.fixture
def network(tmp_path: Path) -> Iterator[SmallNetwork]:
    """A laptop, a head and a worker, whose Ray is to run in containers."""
    if reason := lacking() or lacking_containers():
        pytest.skip(reason)
    pytest.importorskip("aiohttp")
    folder = tmp_path / "n"
    folder.mkdir()
    with SmallNetwork(folder) as made:
        into_containers(made)
        yield made


def test_a_run_in_containers(network: SmallNetwork, tmp_path: Path) -> None:
    """Its folder is one that only the containers see."""
    place = tmp_path / "work"
    place.mkdir()
    (place / "config.yaml").write_text(CONFIG)
    cluster = str(network.folder / "cluster.yaml")

    def raygen(*words: str) -> tuple[int, str]:
        return network.run(sys.executable, "-m", "raygen", *words, cwd=place)

    words = ("submit", "config.yaml", "--cluster", cluster, "--run-dir", f"{DATA}/runs/digits")
    code, told = raygen(*words)
    assert code == 0, told
    code, told = raygen("attach", "runs/digits")
    assert (code, "succeeded" in told) == (0, True), told
    assert "all 2 nodes see" in told

    code, told = raygen("fetch", "runs/digits")
    assert code == 0, told
    there = network.folder / "shared" / "runs" / "digits"
    for name in ("leaderboard.json", "journal.jsonl", "best/model.py"):
        assert (there / name).read_bytes() == (place / "runs/digits" / name).read_bytes()
    assert json.loads((there / "leaderboard.json").read_text())["entries"]
    assert raygen("logs", "runs/digits", "00000")[0] == 0

    assert network.run(*RAY, "down", "-y", cluster, cwd=place)[0] == 0
    assert "gone: the cluster is down" in raygen("status", "runs/digits")[1]
