from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raygen.errors import RunError
from raygen.runs.records import History, Searched, State

TRIAL = {
    "event": "trial",
    "time": 1.0,
    "trial_id": "00000",
    "values": {"units": 8},
    "candidate": "abcdef12",
    "source_sha": "00ff",
    "num_parameters": 90,
}


def report(epoch: int, accuracy: float, **more: Any) -> dict[str, Any]:
    """The event of an epoch."""
    metrics = {"epoch": epoch, "accuracy": accuracy}
    fields = {"trial_id": "00000", "epoch": epoch, "metrics": metrics, "seconds": float(epoch)}
    return {"event": "report", "time": 2.0, **fields, **more}


def replayed(*events: dict[str, Any]) -> History:
    """The history of a run that began with a trial."""
    begin = {"event": "begin", "time": 0.0, "metric": "accuracy", "data_sha": "1"}
    return History().after([begin, TRIAL, *events])


def test_a_trial_is_rebuilt_from_its_events() -> None:
    """Curve, last metrics and state are those of the journal."""
    end = report(3, 0.7, event="end", state="finished")

    trial = replayed(report(1, 0.5), report(2, 0.6), end).trials["00000"]

    assert trial.curve == (0.5, 0.6, 0.7)
    assert (trial.epoch, trial.state, trial.seconds) == (3, State.FINISHED, 3.0)
    assert trial.metrics == {"epoch": 3, "accuracy": 0.7}
    assert (trial.values, trial.source_sha) == ({"units": 8}, "00ff")


def test_a_repeated_epoch_counts_once() -> None:
    """A trial that went on from a checkpoint tells some epochs again."""
    events = [report(1, 0.5), report(2, 0.6), report(2, 0.6), report(1, 0.5), report(2, 0.6)]

    assert replayed(*events, report(3, 0.7)).trials["00000"].curve == (0.5, 0.6, 0.7)


def test_a_failed_trial_keeps_what_it_had() -> None:
    """Its last good epoch and the error are both on record."""
    end = {"event": "end", "trial_id": "00000", "state": "nan", "error": "loss not finite"}

    trial = replayed(report(1, 0.5), end).trials["00000"]

    assert (trial.state, trial.error) == (State.NAN, "loss not finite")
    assert (trial.curve, trial.metrics["accuracy"]) == ((0.5,), 0.5)


def test_folds_and_test_scores_are_rebuilt() -> None:
    """A fold is one record, however often it was tried."""
    fold = {
        "event": "fold",
        "time": 3.0,
        "trial_id": "00000",
        "fold": 2,
        "state": "finished",
        "metrics": {"accuracy": 0.9},
        "epochs": 3,
        "seconds": 1.5,
        "error": "",
    }
    test = {"event": "test", "time": 4.0, "trial_id": "00000", "metrics": {"accuracy": 0.8}}

    history = replayed(fold, {**fold, "seconds": 2.5}, test)

    assert list(history.folds) == [("00000", 2)]
    assert history.folds["00000", 2].seconds == 2.5
    assert history.folds["00000", 2].state is State.FINISHED
    assert history.test == {"trial_id": "00000", "metrics": {"accuracy": 0.8}}


@pytest.mark.parametrize(
    "line",
    ['{"event": "trial"}', '{"event": "fold", "state": "odd"}', '{"event": "pause", "a": 1}'],
)
def test_a_line_that_raygen_would_not_write_is_told(tmp_path: Path, line: str) -> None:
    """By its number, whatever it lacks."""
    journal = tmp_path / "journal.jsonl"
    journal.write_text(f'{{"event": "begin", "metric": "accuracy"}}\n{line}\n')

    with pytest.raises(RunError, match=r"journal.jsonl:2: '\w+' with .*only RayGen may write"):
        History.read(journal)


def test_events_of_a_newer_version_are_left_alone() -> None:
    """An unknown kind of event changes nothing and raises nothing."""
    assert replayed({"event": "prophecy", "time": 9.0, "of": "rain"}) == replayed()


def test_the_searcher_of_the_first_session_is_remembered() -> None:
    """What ``auto`` chose then holds for the whole run."""
    history = History().after(
        [
            {"event": "search", "time": 1.0, "algorithm": "gp", "reason": "usual"},
            {"event": "search", "time": 9.0, "algorithm": "grid", "reason": "small"},
        ]
    )

    assert history.algorithm == "gp"


def test_the_last_end_of_a_search_counts() -> None:
    """A search that went on with a larger budget has ended with that one."""
    history = replayed(
        {"event": "searched", "time": 5.0, "trials": 4, "reason": "trials"},
        {"event": "searched", "time": 6.0, "trials": 6, "reason": "target", "target": 0.5},
    )

    assert replayed().searched is None
    assert history.searched == Searched(trials=6, reason="target", target=0.5)


def test_several_objectives_are_kept_for_each_epoch() -> None:
    """Higher is better in all of them, whatever their own directions."""
    objectives = [{"name": "accuracy", "mode": "max"}, {"name": "num_parameters", "mode": "min"}]
    trial = {"trial_id": "00000", "values": {}, "candidate": "", "source_sha": ""}
    history = History().after(
        [
            {"event": "begin", "metric": "accuracy", "objectives": objectives},
            {"event": "trial", **trial, "num_parameters": 10},
            {"event": "report", "trial_id": "00000", "epoch": 1, "metrics": {"accuracy": 0.5}},
            {"event": "report", "trial_id": "00000", "epoch": 2, "metrics": {"accuracy": 0.75}},
        ]
    )

    assert history.mode == "max"
    assert history.scores(history.trials["00000"]) == (0.75, -10.0)
    assert history.rewards("00000") == [(0.5, -10.0), (0.75, -10.0)]


def test_time_spent_on_the_search_adds_up_over_sessions() -> None:
    """The pause between two sessions is not counted."""
    history = History().after(
        [
            {"event": "begin", "time": 90.0, "metric": "accuracy", "data_sha": "", "space_sha": ""},
            {"event": "search", "time": 100.0},
            {
                "event": "trial",
                "time": 101.0,
                "trial_id": "00000",
                "values": {},
                "candidate": "a",
                "source_sha": "b",
                "num_parameters": 1,
            },
            {"event": "end", "time": 110.0, "trial_id": "00000", "state": "error"},
            {"event": "search", "time": 900.0},
            {"event": "end", "time": 905.0, "trial_id": "00000", "state": "error"},
        ]
    )

    assert history.search_seconds == 15.0


@pytest.mark.parametrize("state", list(State))
def test_every_state_can_be_asked(state: State) -> None:
    """Running is not over, a score counts or it does not, and a state is its word."""
    assert state.is_over() is (state is not State.RUNNING)
    counts = state in (State.RUNNING, State.FINISHED, State.STOPPED)
    assert state.has_failed() is not counts
    assert State(state.value) is state
