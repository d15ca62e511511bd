"""Is a config that finds nothing told so by its outer folds, and is nothing trained twice?"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from raygen.pipeline import run_steps
from raygen.plan import plan_run
from raygen.runs.journal import read_events

pytestmark = [pytest.mark.ray, pytest.mark.slow]

CONFIG = """name: noise
task: {name: TabularClassification, dataset: {path: noise.csv, target: label}}
model:
  layers: [{dense: {units: $width}}, {activation: {name: relu}}]
  training: {batch_size: 16}
  parameters:
    width: {choice: [4, 16, 64]}
    learning_rate: {choice: [0.003, 0.01, 0.03]}
search: {algorithm: grid, scheduler: fifo, trials: 9, max_epochs: 2}
rank: {top: 3, folds: 3, nested: true}
"""


def test_noise_is_told_by_the_outer_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where labels say nothing the best of nine looks good, and is no better than a coin."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(7)
    with Path("noise.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([*(f"x{number}" for number in range(6)), "label"])
        for number in range(240):
            rows.writerow([*rng.normal(size=6).round(4), "ab"[number % 2]])
    Path("config.yaml").write_text(CONFIG, encoding="utf-8")

    board = run_steps(plan_run("config.yaml"), upto="emit").leaderboard

    found = board["nested"]
    assert len(found["folds"]) == 3
    assert found["optimism"]["mean"] > 0.03
    assert found["interval"][0] < 0.5 < found["interval"][1]

    nested = Path("runs/noise/nested")
    kept = {path: path.read_bytes() for path in nested.glob("[01]/journal.jsonl")}
    ended = [each for each in read_events(nested / "1" / "journal.jsonl")]
    (nested / "1" / "leaderboard.json").unlink()  # as if it was cut off just before
    shutil.rmtree(nested / "2")

    again = run_steps(plan_run("config.yaml"), upto="emit").leaderboard

    assert again["nested"]["folds"][:2] == found["folds"][:2]
    assert again["nested"]["mean"] == pytest.approx(found["mean"])
    assert (nested / "0" / "journal.jsonl").read_bytes() == kept[nested / "0" / "journal.jsonl"]
    trained = [each for each in read_events(nested / "1" / "journal.jsonl")][len(ended) :]
    assert not {"trial", "report", "fold", "fit", "test"} & {each["event"] for each in trained}
