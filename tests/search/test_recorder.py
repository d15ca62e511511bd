"""What the recorder journals, the strategy learns: each end once, whatever ended the trial."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from raygen.execute.job import Job, Message
from raygen.execute.run import Run
from raygen.runs.records import History, State
from raygen.search.recorder import Recorder, journal_first

JOB = Job(model="", data="", fold=0, epochs=9, metric="accuracy", checkpoint="", log="")


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
            config={"trial_id": "00000", "job": JOB, "told": "its last epoch"},
            num_failures=3,
            get_error=lambda: "boom\nlast words",
        )

    def record(self, event: str, **fields: Any) -> None:
        """Take an event in, as ``Run.record`` does."""
        self.history.take({"event": event, "time": 0.0} | fields)

    record_fold = Run.record_fold

    def forget_checkpoint(self, trial_id: str, fold: int | None) -> None:
        """Only the trial's own checkpoint of fold 0 may go."""
        assert (trial_id, fold) == ("00000", 0)

    def result(
        self, epoch: int, state: State = State.RUNNING, accuracy: float = 0.5
    ) -> dict[str, Any]:
        """Let Tune report an epoch."""
        result = self.result_of(epoch, state, accuracy)
        self.recorder.on_trial_result(0, [], self.trial, result)
        return result

    def result_of(
        self, epoch: int, state: State = State.RUNNING, accuracy: float = 0.5
    ) -> dict[str, Any]:
        """What Tune would hand on."""
        metrics = {"epoch": epoch, "accuracy": accuracy}
        message = Message(state=state, epoch=epoch, metrics=metrics, seconds=1.0)
        return {"score": accuracy, "epoch": epoch, "message": message}


def test_a_trial_that_the_scheduler_stops_is_told_with_its_score() -> None:
    """The strategy learns from a trial stopped early as from one that finished."""
    stage = Stage()
    stage.result(1)
    stage.result(2, accuracy=0.6)

    stage.recorder.on_trial_complete(0, [], stage.trial)

    assert stage.told[-1] == (State.STOPPED, (0.5, 0.6))
    assert [state for state, _ in stage.told].count(State.STOPPED) == 1


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

    assert [state for state, _ in stage.told] == [State.RUNNING]
    assert not stage.history.trials["00000"].state.is_over()


def test_a_lost_trial_says_why() -> None:
    """The last line of the worker's error is in the record."""
    stage = Stage()

    stage.recorder.on_trial_error(0, [], stage.trial)

    assert [told for told, _ in stage.told] == [State.LOST]
    assert "last words" in stage.history.trials["00000"].error


def test_an_epoch_is_told_once() -> None:
    """A trial that goes on after a kill says its last epoch again; the journal has it already."""
    stage = Stage()
    stage.result(1)

    stage.result(1)
    stage.result(2)

    assert [curve for _, curve in stage.told] == [(0.5,), (0.5, 0.5)]


def test_another_worker_knows_what_was_heard() -> None:
    """What Tune would start the trial with again names its last epoch, and has nothing to tell."""
    stage = Stage()

    stage.result(2)

    assert stage.trial.config["job"].reported == 2
    assert "told" not in stage.trial.config


def test_the_scheduler_decides_on_what_is_journalled() -> None:
    """It finds the epoch in the history."""
    stage = Stage()
    seen: list[Any] = []

    def decide(controller: Any, trial: Any, result: dict[str, Any]) -> str:
        seen.append((stage.history.trials["00000"].epoch, result["score"]))
        return "CONTINUE"

    scheduler = journal_first(SimpleNamespace(on_trial_result=decide), stage.recorder)

    decision = scheduler.on_trial_result(None, stage.trial, stage.result_of(1, accuracy=0.7))

    assert (decision, seen) == ("CONTINUE", [(1, 0.7)])


def test_a_pause_needs_nothing_of_the_worker() -> None:
    """Tune pauses the trial at once and does not ask for a checkpoint, which is there already."""
    stage, paused = Stage(), []
    controller = SimpleNamespace(
        pause_trial=lambda trial, should_checkpoint: paused.append((trial, should_checkpoint))
    )
    scheduler = SimpleNamespace(on_trial_result=lambda *_: "PAUSE")

    decision = journal_first(scheduler, stage.recorder).on_trial_result(
        controller, stage.trial, stage.result_of(1)
    )

    assert (decision, paused) == ("NOOP", [(stage.trial, False)])


def test_a_pause_is_written_and_told_once() -> None:
    """Who is told its last epoch again after a restart, and pauses again, was paused once."""
    stage = Stage()
    events: list[str] = []
    taken = stage.record
    stage.record = lambda event, **fields: (events.append(event), taken(event, **fields))  # type: ignore[method-assign]
    paused: list[Any] = []
    controller = SimpleNamespace(pause_trial=lambda trial, **_: paused.append(trial))
    scheduler = SimpleNamespace(on_trial_result=lambda *_: "PAUSE")
    decide = journal_first(scheduler, stage.recorder).on_trial_result

    for epoch in (1, 1, 2):
        decide(controller, stage.trial, stage.result_of(epoch))

    assert events == ["report", "pause", "report", "pause"]
    assert len(paused) == 3
    assert stage.history.trials["00000"].sleeps()


def test_a_trial_that_went_on_sleeps_no_more() -> None:
    """The next epoch wakes it in the records."""
    stage = Stage()
    stage.result(1)
    stage.recorder.pause(stage.trial)
    stage.result(2)

    assert not stage.history.trials["00000"].sleeps()
    assert stage.history.trials["00000"].paused_at == 1
