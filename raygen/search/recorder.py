"""Writes what Ray Tune reports into the journal, and shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray.tune import Callback

from raygen.execute.run import Run
from raygen.runs.records import State, TrialRecord


class Recorder(Callback):  # type: ignore[misc]  # Ray has no types
    """The one writer of the journal during a search; the strategy learns what it has written."""

    def __init__(self, run: Run, tell: Callable[[TrialRecord], None]) -> None:
        self._run, self._tell = run, tell

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
    ) -> None:
        """Journal an epoch, or the end of the trial."""
        state = State(result["state"])
        fields = {key: result[key] for key in ("epoch", "metrics", "seconds")}
        if state.has_failed():
            self._end(trial, state, error=result["error"], seconds=result["seconds"])
        elif state.is_over():
            self._end(trial, state, **fields)
        elif result["epoch"] > self._known(trial).epoch:  # one that is tried again repeats some
            self._run.record("report", trial_id=trial.config["trial_id"], **fields)

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

    def _known(self, trial: Any) -> TrialRecord:
        return self._run.history.trials[trial.config["trial_id"]]

    def _end(self, trial: Any, state: State, **fields: Any) -> None:
        trial_id = trial.config["trial_id"]
        self._run.record("end", trial_id=trial_id, state=state.value, **fields)
        self._run.forget_checkpoint(trial_id, 0)
        self._tell(self._known(trial))
