"""What a journal says when it is read from its first line to its last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from raygen.runs.journal import read_events


class State(str, Enum):
    """How far a trial or a fold has come."""

    RUNNING = "running"
    FINISHED = "finished"
    """Trained for all its epochs."""
    STOPPED = "stopped"
    """Ended early by the scheduler."""
    NAN = "nan"
    """Reported a number that is not finite."""
    ERROR = "error"
    """Its program raised."""
    OUT_OF_MEMORY = "out_of_memory"
    HUNG = "hung"
    """Gave no sign of life for ``search.hang_timeout``."""
    LOST = "lost"
    """Its worker died more often than ``search.retries`` allows."""

    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self is not State.RUNNING

    def has_failed(self) -> bool:
        """Whether it ended without a score that counts."""
        return self not in (State.RUNNING, State.FINISHED, State.STOPPED)


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """All that is known of one trial."""

    trial_id: str
    values: Mapping[str, Any]
    candidate: str
    source_sha: str
    num_parameters: int
    state: State = State.RUNNING
    epoch: int = 0
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Of the last epoch."""
    curve: tuple[float, ...] = ()
    """The run's metric after each epoch."""
    seconds: float = 0.0
    error: str = ""

    def is_scored(self) -> bool:
        """Whether it is over and has a score that counts."""
        return bool(self.curve) and self.state.is_over() and not self.state.has_failed()


@dataclass(frozen=True, kw_only=True)
class Searched:
    """The budget with which a search has come to its end; of no trials: it has not."""

    trials: int = 0
    time_budget: float | None = 0.0
    """Seconds; None for no limit."""
    reason: str = ""
    """What ended it: trials, time budget, or nothing new to try."""

    def covers(self, trials: int, time_budget: float | None) -> bool:
        """Whether a search with such a budget has nothing more to do."""
        if trials > self.trials:
            return False
        if self.reason != "time budget" or self.time_budget is None:
            return True
        return time_budget is not None and time_budget <= self.time_budget


@dataclass(frozen=True, kw_only=True)
class FoldResult:
    """A trial's program trained outside one fold and scored on it."""

    trial_id: str
    fold: int
    state: State
    metrics: Mapping[str, Any]
    epochs: int
    seconds: float
    error: str = ""


@dataclass
class History:
    """The state of a run, rebuilt from its events."""

    metric: str = ""
    trials: dict[str, TrialRecord] = field(default_factory=dict)
    folds: dict[tuple[str, int], FoldResult] = field(default_factory=dict)
    test: dict[str, Any] = field(default_factory=dict)
    """Trial id, metrics and seconds of the winner's one look at the test rows."""
    searched: Searched = field(default_factory=Searched)
    """How the search has come to its end."""
    search_seconds: float = 0.0
    """Time spent on searching, all sessions together."""
    _session: tuple[float, float] = (0.0, 0.0)
    """When the session of the search began, and the search_seconds before it."""

    @staticmethod
    def read(path: Path) -> History:
        """Read a journal."""
        return History().after(read_events(path))

    def after(self, events: Iterable[Mapping[str, Any]]) -> History:
        """Take in more events."""
        for event in events:
            self.take(event)
        return self

    def take(self, event: Mapping[str, Any]) -> None:
        """Take in one event; unknown kinds are left to newer versions."""
        fields = {key: value for key, value in event.items() if key not in ("event", "time")}
        match event["event"]:
            case "begin":
                self.metric = fields["metric"]
            case "trial":
                record = TrialRecord(**fields)
                self.trials[record.trial_id] = record
            case "search":
                self._session = event["time"], self.search_seconds
            case "report" | "end":
                self._spend(event.get("time", 0.0))
                self.trials[fields["trial_id"]] = self._updated(fields)
            case "fold":
                result = FoldResult(**fields | {"state": State(fields["state"])})
                self.folds[result.trial_id, result.fold] = result
            case "searched":
                self.searched = Searched(**fields)
            case "test":
                self.test = fields

    def _spend(self, time: float) -> None:
        began, before = self._session
        if began:
            self.search_seconds = time - began + before

    def _updated(self, fields: Mapping[str, Any]) -> TrialRecord:
        """The trial's record after a report or its end; a repeated epoch counts once."""
        known = self.trials[fields["trial_id"]]
        changes = dict(fields)
        if "state" in changes:
            changes["state"] = State(changes["state"])
        value = changes.get("metrics", {}).get(self.metric)
        if isinstance(value, float) and changes.get("epoch", 0) > len(known.curve):
            changes["curve"] = (*known.curve, value)
        return replace(known, **changes)
