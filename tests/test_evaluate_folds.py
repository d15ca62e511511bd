"""A search whose trials are scored by all their folds, from the YAML to the ranking."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from statistics import fmean

import pytest

from raygen import pipeline
from raygen.errors import ConfigError
from raygen.execute.job import Message
from raygen.plan import plan_run
from raygen.runs.records import History, State

CONFIG = """task: {name: TabularClassification, dataset: {name: iris}}
model:
  layers: [{dense: {units: $width}}, {activation: {name: relu}}]
  training: {batch_size: 16, learning_rate: 0.05}
  parameters: {width: {choice: [8, 32]}}
search: {algorithm: grid, scheduler: fifo, trials: 2, max_epochs: 2, evaluate: folds}
rank: {folds: 3, top: 2}
"""


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That of the run of a config in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG, encoding="utf-8")
    return Path("runs/iris/journal.jsonl")


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("search.scheduler=asha", "folds given, and scheduler asha; .*write `scheduler: fifo`"),
        ("search.total_epochs=9", "folds given, and total_epochs; "),
    ],
)
def test_what_counts_on_scores_of_epochs_is_refused(
    journal: Path, override: str, told: str
) -> None:
    """A trial has a score after each fold instead."""
    with pytest.raises(ConfigError, match=told):
        plan_run("config.yaml", [override])


def test_the_score_is_the_mean_of_the_folds_so_far() -> None:
    """Of every metric; its last one is over, and holds the newest fold by itself."""
    from raygen.search.trial import mean_of  # ray.tune: a second

    folds = [
        Message(state=State.FINISHED, epoch=9, metrics={"epoch": 9, "accuracy": a}, seconds=2.0)
        for a in (0.5, 0.75)
    ]
    first, last = mean_of(folds[:1], total=2), mean_of(folds, total=2)

    assert (first.state, last.state) == (State.RUNNING, State.FINISHED)
    assert last.metrics == {"epoch": 2, "accuracy": 0.625}
    assert (last.epoch, last.seconds, last.fold) == (2, 4.0, folds[1])


@pytest.mark.ray
@pytest.mark.slow
def test_folds_of_the_search_are_the_rankings_and_are_trained_once(journal: Path) -> None:
    """Also where a kill came between a fold's line in the journal and that of its mean."""
    board = pipeline.run_steps(plan_run("config.yaml"), upto="emit").leaderboard
    history = History.read(journal)

    for entry in board["entries"]:
        trial = history.trials[entry["trial_id"]]
        assert (trial.epoch, len(entry["folds"])) == (3, 3)
        assert trial.metrics["accuracy"] == pytest.approx(fmean(entry["folds"]))
    assert board["optimism"] is None
    assert list(folds_in(journal).values()) == [1] * 6

    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    cut = next(n for n, line in enumerate(lines) if '"fold": 1' in line and '"fold"' in line)
    journal.write_text("".join(lines[: cut + 1]), encoding="utf-8")
    kept = [json.loads(line) for line in lines[: cut + 1]]
    begun = [each for each in kept if each["event"] == "fold"]

    again = pipeline.run_steps(plan_run("config.yaml"), upto="emit").leaderboard

    assert list(folds_in(journal).values()) == [1] * 6
    assert journal.read_text(encoding="utf-8").startswith("".join(lines[: cut + 1]))
    of = {entry["trial_id"]: entry["folds"] for entry in board["entries"]}
    assert {entry["trial_id"]: entry["folds"] for entry in again["entries"]} == of
    assert all(of[each["trial_id"]][each["fold"]] == each["metrics"]["accuracy"] for each in begun)
    assert not list(Path("runs/iris/trials").glob("*/checkpoint-*"))


def folds_in(journal: Path) -> Counter[tuple[str, int]]:
    """How often each fold was written down."""
    told = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    return Counter((each["trial_id"], each["fold"]) for each in told if each["event"] == "fold")
