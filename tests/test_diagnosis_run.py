"""Planted faults on real workers: each is named in the leaderboard and on the screen."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
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


ONE_FAULT = """name: one
task: {name: TASK, dataset: {path: table.csv, target: target}}
model:
  layers: [{dense: {units: 48}}, {activation: {name: relu}}, {dropout: 0.2}]
  training: {batch_size: 16, optimizer: adamw, weight_decay: 1.0e-3SCHEDULE}
  parameters: {learning_rate: {choice: LEARNING_RATES}}
search: {algorithm: grid, scheduler: fifo, trials: 3, max_epochs: EPOCHS}
rank: {top: 3, folds: 4SPLIT}
output: out.py
"""
USUAL = "[5.0e-4, 1.0e-3, 2.0e-3]"


def board_of(
    frame: pd.DataFrame,
    *,
    task: str = "TabularClassification",
    rates: str = USUAL,
    epochs: int = 12,
    split: str = "",
    schedule: str = "cosine",
) -> dict[str, Any]:
    """The leaderboard file of a run on a table, by the commands that a user types."""
    frame.to_csv("table.csv", index=False)
    text = ONE_FAULT.replace("TASK", task).replace("LEARNING_RATES", rates)
    text = text.replace("EPOCHS", str(epochs)).replace("SPLIT", split)
    text = text.replace("SCHEDULE", f", schedule: {schedule}")
    Path("config.yaml").write_text(text, encoding="utf-8")
    for command in (["search", "--config", "config.yaml"], ["rank", "runs/one"]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
    board: dict[str, Any] = json.loads(Path("runs/one/leaderboard.json").read_text("utf-8"))
    return board


def said_of_rows(board: dict[str, Any]) -> dict[str, str]:
    """What is wrong with the rows."""
    return {each["verdict"]: each["evidence"] for each in board["data"]}


def said_of_candidates(board: dict[str, Any]) -> list[set[str]]:
    """What is wrong with each candidate."""
    return [{each["verdict"] for each in entry["diagnosis"]} for entry in board["entries"]]


def digits() -> pd.DataFrame:
    """Clean rows of ten classes, none of them twice."""
    found = load_digits()
    frame = pd.DataFrame(found.data).add_prefix("pixel_").assign(target=found.target)
    return frame[:900]


def breast_cancer() -> pd.DataFrame:
    """Clean rows of two classes."""
    found = load_breast_cancer()
    return pd.DataFrame(found.data, columns=found.feature_names).assign(target=found.target)


def patients(rng: np.random.Generator) -> pd.DataFrame:
    """Ten rows of each of 90 patients, who are ill or not as a whole; what is measured is his."""
    person = np.repeat(np.arange(90), 10)
    own, ill = rng.normal(size=(90, 6)), rng.integers(0, 2, 90)
    x = own[person] + 0.3 * rng.normal(size=(900, 6)) + 0.25 * ill[person, None]
    frame = pd.DataFrame(x).add_prefix("measured_")
    return frame.assign(patient=100 + person, target=np.where(ill[person], "ill", "well"))


def test_of_clean_rows_and_sound_candidates_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither of the rows nor of any of three candidates, all of which have come to rest."""
    monkeypatch.chdir(tmp_path)
    board = board_of(digits(), rates="[2.0e-3, 3.0e-3, 4.0e-3]", epochs=40)

    assert said_of_rows(board) == {}
    assert said_of_candidates(board) == [set(), set(), set()]


@pytest.mark.parametrize(
    ("rates", "verdict"),
    [("[1.0e-5, 2.0e-5]", "hardly better than guessing"), ("[2.0e-4, 3.0e-4]", "not converged")],
)
def test_who_was_trained_too_shortly_is_named(
    rates: str, verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has learnt nothing yet, or was still rising; of the rows nothing is said."""
    monkeypatch.chdir(tmp_path)
    board = board_of(digits(), rates=rates, epochs=8, schedule="constant")

    assert all(verdict in verdicts for verdicts in said_of_candidates(board))
    assert said_of_rows(board) == {}


def test_shuffled_labels_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of them; who learns them by heart over-fits."""
    monkeypatch.chdir(tmp_path)
    frame, rng = digits(), np.random.default_rng(1)
    wrong = rng.permutation(len(frame))[: len(frame) // 5]
    frame.loc[wrong, "target"] = rng.permutation(frame.loc[wrong, "target"])
    board = board_of(frame, rates="[1.0e-2, 2.0e-2]", epochs=60)

    assert "label noise" in said_of_rows(board)
    assert set(said_of_rows(board)) <= {"label noise", "too few rows"}
    assert all("over-fitting" in verdicts for verdicts in said_of_candidates(board))


def test_copies_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of them lie in one fold with their original, most of them do not."""
    monkeypatch.chdir(tmp_path)
    frame = breast_cancer()
    told = said_of_rows(board_of(pd.concat([frame, frame[:60]]), epochs=4))

    assert list(told) == ["duplicates across folds"]
    assert "rows are there more than once" in told["duplicates across folds"]


def test_a_leaking_column_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was written after the fact, with a little noise, by its name."""
    monkeypatch.chdir(tmp_path)
    frame, rng = breast_cancer(), np.random.default_rng(0)
    frame["discharged"] = 3.0 * frame["target"] + rng.normal(0, 0.1, len(frame))
    told = said_of_rows(board_of(frame, epochs=4))

    assert list(told) == ["a column tells the answer"]
    assert told["a column tells the answer"].startswith("discharged alone predicts the target")


def test_parted_groups_are_named_until_they_are_kept_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy that is told is what makes it silent, and costs the score that was not real."""
    monkeypatch.chdir(tmp_path)
    frame = patients(np.random.default_rng(0))
    parted = board_of(frame, epochs=30)
    told = said_of_rows(parted)["groups across folds"]
    remedy = re.search(r"rank: \{(split: grouped, by: patient)\}", told)
    assert remedy is not None
    shutil.rmtree("runs")

    together = board_of(frame, epochs=30, split=f", {remedy[1]}")

    assert "groups across folds" not in said_of_rows(together)
    assert together["entries"][0]["mean"] < parted["entries"][0]["mean"] - 0.1
