"""Tests of what is trained, in which order, and never twice; nothing is trained here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from raygen.config.rank_section import Rank
from raygen.errors import TrialError
from raygen.execute.job import Message
from raygen.execute.run import Run
from raygen.rank import crossval
from raygen.rank.scored import Terms
from raygen.runs.paths import RunPaths
from raygen.runs.records import History, State, TrialRecord

_GOOD = [0.94, 0.90, 0.95, 0.91, 0.94, 0.90]
_BETTER = [0.92, 0.93, 0.94, 0.95, 0.93, 0.93]
_FAIR = [0.88, 0.89, 0.90, 0.90, 0.90, 0.90]
_BAD = [0.30, 0.31, 0.32, 0.31, 0.33, 0.30]


class FakeRun:
    """A run whose search is done; each trial is named by its place."""

    def __init__(self, trials: int, **rank: Any) -> None:
        self.history = History(metric="accuracy")
        self.experiment = SimpleNamespace(rank=Rank(**{"top": trials, "folds": 6} | rank))
        self.paths = RunPaths(Path("runs/x"))
        self.interruption = False
        for number in range(trials):
            self.history.trials[str(number)] = TrialRecord(
                trial_id=str(number),
                values={},
                candidate=str(number),
                source_sha="",
                num_parameters=100 - number,
                state=State.STOPPED,
                epoch=1,
                curve=(1.0 - number / 100,),
            )

    def job(self, trial_id: str, *, fold: int) -> tuple[str, int]:
        """What the pool is given."""
        return trial_id, fold

    def record(self, event: str, **fields: Any) -> None:
        """Take it into the history."""
        self.history.take({"event": event, **fields})

    record_fold = Run.record_fold

    def forget_checkpoint(self, trial_id: str, fold: int) -> None:
        """There is none."""


class FakePool:
    """Has the scores of all folds in a table; a state in place of a score is a failure."""

    def __init__(self, run: FakeRun, *table: list[Any], patience: int = 999) -> None:
        self.run_, self.table, self.patience = run, table, patience
        self.rounds: list[list[tuple[str, int]]] = []

    def run(self, jobs: list[tuple[Any, tuple[str, int]]]) -> Iterator[tuple[Any, Message]]:
        """Tell the scores, until the user has no more patience."""
        self.rounds.append([key for key, _ in jobs])
        for key, (trial_id, fold) in jobs:
            if not self.patience:
                self.run_.interruption = True
                return
            self.patience -= 1
            score = self.table[int(trial_id)][fold]
            if isinstance(score, State):
                yield key, Message(state=score, error="boom")
            else:
                yield key, Message(state=State.FINISHED, metrics={"accuracy": score}, epoch=1)

    @property
    def trained(self) -> list[tuple[str, int]]:
        """All that was asked for."""
        return [key for each in self.rounds for key in each]


@pytest.fixture(autouse=True)
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are counted in Ray's object store."""
    monkeypatch.setattr(
        crossval,
        "terms_of",
        lambda run: Terms(
            folds=run.experiment.rank.folds,
            repeats=run.experiment.rank.repeats,
            choose=run.experiment.rank.choose,
        ),
    )


def ranked(run: FakeRun, pool: FakePool) -> list[Any]:
    """Cross-validate."""
    return crossval.crossvalidate(run, pool)  # type: ignore[arg-type]


def test_in_full_everybody_gets_all_folds_at_once() -> None:
    """Fold by fold, so that all are half done rather than half of them done."""
    run = FakeRun(2, folds=3)
    pool = FakePool(run, _GOOD, _BAD)

    entries = ranked(run, pool)

    assert pool.rounds == [[("0", 0), ("1", 0), ("0", 1), ("1", 1), ("0", 2), ("1", 2)]]
    assert [entry.trial_id for entry in entries] == ["0", "1"]


def test_the_race_goes_on_without_those_that_lag_behind() -> None:
    """Of four, the first look is after two folds, and each later one after one more."""
    run = FakeRun(4, method="race")
    pool = FakePool(run, _GOOD, _BETTER, _BAD, _BAD)

    entries = ranked(run, pool)

    assert set(pool.rounds[0]) == {(str(trial), fold) for trial in range(4) for fold in range(2)}
    assert pool.rounds[1] == [("0", 2), ("1", 2)]
    assert {entry.trial_id: entry.verdict.folds_run for entry in entries} == {
        "1": 6,
        "0": 6,
        "2": 2,
        "3": 2,
    }


def test_the_better_half_goes_ahead_to_the_second_fold() -> None:
    """Who is far behind on the first has no other; the leaderboard says so."""
    run = FakeRun(6, method="race")
    pool = FakePool(run, _BAD, _GOOD, _BETTER, _FAIR, _GOOD, _BAD)

    entries = ranked(run, pool)

    assert pool.rounds[0] == [(str(trial), 0) for trial in range(6)]
    assert pool.rounds[1] == [("1", 1), ("2", 1), ("3", 1), ("4", 1)]
    last = [(entry.trial_id, entry.verdict.folds_run, entry.interval) for entry in entries[-2:]]
    assert last == [("0", 1, None), ("5", 1, None)]
    assert [entry.verdict.tied for entry in entries[-2:]] == [False, False]


@pytest.mark.parametrize("patience", range(1, 24))
def test_an_interrupted_race_trains_nothing_twice(patience: int) -> None:
    """Wherever it is stopped, the same command ends as if it had not been."""
    table = (_BAD, _GOOD, _BETTER, _FAIR, _GOOD, _BAD)
    whole = FakeRun(6, method="race")
    expected = ranked(whole, FakePool(whole, *table))
    run = FakeRun(6, method="race")
    first = FakePool(run, *table, patience=patience)

    begun = ranked(run, first)
    done = set(run.history.folds)
    run.interruption = False
    second = FakePool(run, *table)
    entries = ranked(run, second)

    assert not done & set(second.trained)
    assert entries == expected
    assert not begun or begun == expected


def test_a_crash_counts_against_its_candidate_alone() -> None:
    """It is left out, and those that only lagged behind it are scored on all folds."""
    run = FakeRun(4, method="race")
    pool = FakePool(run, [0.9, 0.91, State.ERROR, 0.9, 0.9, 0.9], _BAD, _BAD, _BAD)

    entries = ranked(run, pool)

    assert {entry.trial_id for entry in entries} == {"1", "2", "3"}
    assert all(entry.verdict.folds_run == 6 for entry in entries)


def test_the_chosen_one_gets_all_folds() -> None:
    """The race was stopped for it; being the smallest of the tied it is chosen all the same."""
    run = FakeRun(4, method="race", choose="simplest-tied")
    noisy = [0.92, 0.88, 0.90, 0.91, 0.90, 0.90]
    pool = FakePool(run, _BETTER, _GOOD, noisy, [0.87, 0.90, 0.91, 0.92, 0.91, 0.93])

    first = ranked(run, pool)[0]

    assert (first.trial_id, first.verdict.tied, first.verdict.folds_run) == ("3", True, 6)
    assert pool.rounds[-1] == [("3", 3), ("3", 4), ("3", 5)]


def test_one_candidate_alone_is_scored_on_all_folds() -> None:
    """There is nobody to race against."""
    run = FakeRun(1, method="race")

    (entry,) = ranked(run, FakePool(run, _GOOD))

    assert (entry.verdict.tied, entry.verdict.folds_run) == (True, 6)


def test_a_fold_whose_worker_was_lost_is_tried_by_the_next_command() -> None:
    """And not over and over by the same one."""
    run = FakeRun(2, method="race", folds=3)
    entries = ranked(run, FakePool(run, [0.9, State.LOST, 0.9], _BAD))
    assert [entry.trial_id for entry in entries] == ["1"]

    again = FakePool(run, _GOOD, _BAD)
    entries = ranked(run, again)

    assert again.trained == [("0", 1)] or again.trained == [("0", 1), ("0", 2)]
    assert [entry.trial_id for entry in entries] == ["0", "1"]


def test_if_all_fail_the_last_error_is_told() -> None:
    """One line, with what the last program said."""
    run = FakeRun(2, method="race")

    with pytest.raises(TrialError, match="no candidate could be scored") as error:
        ranked(run, FakePool(run, [State.ERROR] * 6, [State.NAN] * 6))

    assert "boom" in str(error.value)


def test_only_the_best_keep_what_they_have_predicted(tmp_path: Path) -> None:
    """Three times as many as are ranked, so that a later ranking may take more of them."""
    run = FakeRun(8, top=2)
    run.paths = RunPaths(tmp_path)
    for trial_id in run.history.trials:
        file = run.paths.trial(trial_id).out_of_fold(0)
        file.parent.mkdir(parents=True)
        file.write_bytes(b"predictions")

    crossval._forget_predictions(run)  # type: ignore[arg-type]

    left = [i for i in run.history.trials if run.paths.trial(i).out_of_fold(0).exists()]
    assert left == ["0", "1", "2", "3", "4", "5"]
