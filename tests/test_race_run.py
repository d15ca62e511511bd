"""A race over repeated folds on real workers, from the YAML to the winner's ``model.py``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from raygen import pipeline
from raygen.plan import plan_run
from raygen.runs.records import History

pytestmark = [pytest.mark.ray, pytest.mark.slow]

CONFIG = """task: {name: TabularClassification, dataset: {name: iris}}
model:
  layers: [{dense: {units: $width}}, {activation: {name: relu}}]
  training: {batch_size: 16}
  parameters:
    width: {choice: [8, 16]}
    learning_rate: {choice: [1.0e-6, 2.0e-6, 0.02, 0.05]}
search: {algorithm: grid, scheduler: fifo, trials: 8, max_epochs: 4}
rank: {top: 8, folds: 3, repeats: 2, method: race}
output: out.py
"""


def test_a_race_saves_trainings_and_its_winner_repeats_its_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that learn nothing are stopped; nothing is trained twice; --cv gives the same folds."""
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG, encoding="utf-8")

    board = pipeline.run_steps(plan_run("config.yaml"), upto="emit").leaderboard

    first, last = board["entries"][0], board["entries"][-1]
    assert (first["folds_run"], first["tied"]) == (6, True)
    assert (last["folds_run"] < 6, last["tied"]) == (True, False)
    fits = board["fold_fits"]
    assert fits["full"] == 48
    assert fits["run"] == sum(entry["folds_run"] for entry in board["entries"]) < 48
    assert board["test_looks"] == 1

    events = Path("runs/iris/journal.jsonl").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in events]
    folds = [(each["trial_id"], each["fold"]) for each in told if each["event"] == "fold"]
    assert len(folds) == len(set(folds)) == fits["run"]

    done = subprocess.run(
        [sys.executable, "out.py", "--cv"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1])["folds"] == first["folds"]

    again = pipeline.run_steps(plan_run("config.yaml", ["rank.method=full"]), upto="rank")
    history = History.read(Path("runs/iris/journal.jsonl"))
    assert again.leaderboard["fold_fits"] == {"run": 48, "full": 48}
    assert len(history.folds) == 48
