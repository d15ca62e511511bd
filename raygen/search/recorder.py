"""Writes what Ray Tune reports into the journal, and shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ray.tune import Callback
from ray.tune.schedulers import TrialScheduler

from raygen.execute.disk import disk_full
from raygen.execute.job import Message
from raygen.execute.run import Run
from raygen.runs.records import State, TrialRecord


class Recorder(Callback):  # type: ignore[misc]  # Ray has no types
    """The one writer of the journal during a search.

    Args:
        run: The run.
        tell: Learns of each epoch, pause and end when it has been written.
    """

    def __init__(self, run: Run, tell: Callable[[TrialRecord], None]) -> None:
        self._run, self._tell = run, tell

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """Leave nothing of it in what Ray Tune pickles for a restore; the journal does that."""
        return (object, ())

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
    ) -> None:
        """Journal an epoch, or the end of the trial; only what is not there already."""
        message: Message = result["message"]
        known = self._known(trial)
        if known.state.is_over():
            return
        if message.state is State.DISK_FULL:
            self._run.interruption.ask(disk_full(self._run.paths.folder))
            return
        key = (known.trial_id, message.epoch - 1)
        if message.fold is not None and key not in self._run.history.folds:
            self._run.record_fold(*key, message.fold)  # before the mean that it is part of
        fields = {
            "epoch": message.epoch,
            "metrics": dict(message.metrics),
            "seconds": message.seconds,
        }
        if message.state.has_failed():
            self._end(trial, message.state, error=message.error, seconds=message.seconds)
        elif message.state.is_over():
            self._end(trial, message.state, **fields)
        elif message.epoch > known.epoch:
            self._run.record("report", trial_id=known.trial_id, **fields)
            self._tell(self._known(trial))
        _remember(trial, message)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        """Journal that the scheduler ended a trial; one that an interruption cuts off goes on."""
        if not self._known(trial).state.is_over() and not self._run.interruption:
            self._end(trial, State.STOPPED)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        """Journal a trial whose worker died once too often."""
        if not self._known(trial).state.is_over():
            last = (str(trial.get_error() or "").strip().splitlines() or [""])[-1]
            told = f"its worker died {trial.num_failures} times (search.retries): {last}"
            self._end(trial, State.LOST, error=told[:500])

    def pause(self, trial: Any) -> None:
        """Journal that the scheduler pauses a trial; once for an epoch, though told again."""
        known = self._known(trial)
        if not known.state.is_over() and not known.sleeps():
            self._run.record("pause", trial_id=known.trial_id)
            self._tell(self._known(trial))

    def _known(self, trial: Any) -> TrialRecord:
        return self._run.history.trials[trial.config["trial_id"]]

    def _end(self, trial: Any, state: State, **fields: Any) -> None:
        trial_id = trial.config["trial_id"]
        self._run.record("end", trial_id=trial_id, state=state.value, **fields)
        self._run.forget_checkpoint(trial_id, 0)
        if "folds" in trial.config:  # and what its unfinished fold has saved
            self._run.forget_checkpoint(trial_id, self._known(trial).epoch)
        self._tell(self._known(trial))


def journal_first(scheduler: TrialScheduler, recorder: Recorder) -> TrialScheduler:
    """Have an epoch written down before the scheduler decides what follows from it.

    So no decision rests on what a kill could take away. And a trial that is to pause does so at
    once: its checkpoint is saved already, so Tune has nothing to ask of its worker, which might be
    lost meanwhile and the pause with it.
    """
    decide = scheduler.on_trial_result

    def decided(controller: Any, trial: Any, result: dict[str, Any]) -> str:
        recorder.on_trial_result(0, [], trial, result)
        decision = str(decide(controller, trial, result))
        if decision == TrialScheduler.PAUSE:
            recorder.pause(trial)
            controller.pause_trial(trial, should_checkpoint=False)
            return str(TrialScheduler.NOOP)
        return decision

    scheduler.on_trial_result = decided
    return scheduler


def _remember(trial: Any, message: Message) -> None:
    """Let a worker that takes the trial over know what has been heard of it."""
    job = trial.config.get("job")
    if job is not None and job.reported < message.epoch:
        trial.config["job"] = replace(job, reported=message.epoch)
        if message.fold is not None:
            known = trial.config["folds"][: message.epoch - 1]
            trial.config["folds"] = (*known, message.fold)
    trial.config.pop("told", None)
