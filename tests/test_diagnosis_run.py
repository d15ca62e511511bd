"""Planted faults on real workers: each is named in the leaderboard and on the screen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from raygen import pipeline
from raygen.cli import app
from raygen.plan import plan_run
from raygen.runs.paths import RunPaths
from raygen.tasks.fragments.metrics import accuracy

pytestmark = [pytest.mark.ray, pytest.mark.slow]

CONFIG = """name: planted
task: {name: TabularClassification, dataset: {path: planted.csv, target: digit}}
model:
  layers: [{dense: {units: $width}}, {activation: {name: relu}}]
  training: {batch_size: 16, weight_decay: 0.0}
  parameters:
    width: {choice: [2, 512]}
    learning_rate: {choice: [1.0e-5, 3.0e-3]}
search:
  {algorithm: grid, scheduler: fifo, trials: 4, max_epochs: 25}
rank: {top: 4, folds: 3}
output: out.py
"""


def test_planted_faults_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shuffled labels, copies, a network that learns rows by heart and one that learns nothing."""
    monkeypatch.chdir(tmp_path)
    found, rng = load_digits(), np.random.default_rng(0)
    frame = pd.DataFrame(found.data[:900]).add_prefix("pixel_").assign(digit=found.target[:900])
    wrong = rng.permutation(900)[:180]
    frame.loc[wrong, "digit"] = rng.permutation(frame.loc[wrong, "digit"])
    pd.concat([frame, frame[:60]]).to_csv("planted.csv", index=False)
    Path("config.yaml").write_text(CONFIG, encoding="utf-8")

    board = pipeline.run_steps(plan_run("config.yaml"), upto="emit").leaderboard

    told = {each["verdict"]: each["evidence"] for each in board["data"]}
    assert {"label noise", "duplicates across folds"} <= set(told)
    verdicts = {
        (entry["candidate"]["width"], entry["candidate"]["learning_rate"]): {
            each["verdict"] for each in entry["diagnosis"]
        }
        for entry in board["entries"]
    }
    assert "over-fitting" in verdicts[512, 3e-3]
    assert "under-fitting" in verdicts[2, 1e-5]

    for entry in board["entries"]:
        check_predictions(entry)

    screen = CliRunner().invoke(app, ["show", "runs/planted"]).output
    assert "data, label noise: about " in screen

    journal = Path("runs/planted/journal.jsonl")
    again = pipeline.run_steps(plan_run("config.yaml"), upto="rank").leaderboard
    events = [json.loads(line)["event"] for line in journal.read_text("utf-8").splitlines()]
    assert again["data"] == board["data"]
    assert events.count("data") == 1


def check_predictions(entry: dict[str, Any]) -> None:
    """What is kept of each fold, that of the search too, has the fold's score bit for bit."""
    arrays = plan_run("config.yaml").blueprint.load_arrays()
    for fold, score in enumerate(entry["folds"]):
        path = RunPaths(Path("runs/planted")).trial(entry["trial_id"]).out_of_fold(fold)
        with np.load(path) as file:
            assert accuracy(arrays["y"][file["rows"]], file["predictions"]) == score
    told = entry["held_out"]
    assert told["rows"] == len(arrays["y"]) == int(np.sum(told["confusion"]))
    assert told["micro"]["recall"] == pytest.approx(entry["mean"], abs=0.002)
