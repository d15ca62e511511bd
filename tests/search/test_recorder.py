"""What the recorder journals, the strategy learns: each end once, whatever ended the trial."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from raygen.runs.records import History, State
from raygen.search.recorder import Recorder


class Stage:
    """A run of one trial, as much of it as the recorder sees."""

    def __init__(self, interrupted: bool = False) -> None:
        self.history = History().after(
            [
                {"event": "begin", "metric": "accuracy"},
                {
                    "event": "trial",
                    "trial_id": "00000",
                    "values": {"width": 8},
                    "candidate": "c",
                    "source_sha": "s",
                    "num_parameters": 1,
                },
            ]
        )
        self.interruption = interrupted
        self.told: list[tuple[State, Any]] = []
        self.recorder = Recorder(self, lambda trial: self.told.append((trial.state, trial.curve)))
        self.trial = SimpleNamespace(
            config={"trial_id": "00000"}, num_failures=3, get_error=lambda: "boom\nlast words"
        )

    def record(self, event: str, **fields: Any) -> None:
        """Take an event in, as ``Run.record`` does."""
        self.history.take({"event": event, "time": 0.0} | fields)

    def forget_checkpoint(self, trial_id: str, fold: int | None) -> None:
        """Only the trial's own checkpoint of fold 0 may go."""
        assert (trial_id, fold) == ("00000", 0)

    def result(self, epoch: int, state: State = State.RUNNING, accuracy: float = 0.5) -> None:
        """Let Tune report an epoch."""
        metrics = {"epoch": epoch, "accuracy": accuracy}
        result = {"state": state.value, "epoch": epoch, "metrics": metrics, "seconds": 1.0}
        self.recorder.on_trial_result(0, [], self.trial, result | {"error": ""})


def test_a_trial_that_the_scheduler_stops_is_told_with_its_score() -> None:
    """The strategy learns from a trial stopped early as from one that finished."""
    stage = Stage()
    stage.result(1)
    stage.result(2, accuracy=0.6)

    stage.recorder.on_trial_complete(0, [], stage.trial)

    assert stage.told == [(State.STOPPED, (0.5, 0.6))]


@pytest.mark.parametrize("state", [State.FINISHED, State.NAN, State.ERROR])
def test_an_end_is_told_once(state: State) -> None:
    """Tune reports a last result and then the completion; the strategy hears one of them."""
    stage = Stage()
    stage.result(1, state)

    stage.recorder.on_trial_complete(0, [], stage.trial)

    assert [state] == [told for told, _ in stage.told]


def test_an_interrupted_trial_is_not_over() -> None:
    """What an interruption cuts off is told when it has ended, in a later session."""
    stage = Stage(interrupted=True)
    stage.result(1)

    stage.recorder.on_trial_complete(0, [], stage.trial)

    assert stage.told == []
    assert not stage.history.trials["00000"].state.is_over()


def test_a_lost_trial_says_why() -> None:
    """The last line of the worker's error is in the record."""
    stage = Stage()

    stage.recorder.on_trial_error(0, [], stage.trial)

    assert [told for told, _ in stage.told] == [State.LOST]
    assert "last words" in stage.history.trials["00000"].error
