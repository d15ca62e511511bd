"""What a journal says when it is read from its first line to its last."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Literal

from raygen.runs.journal import not_an_event, read_events
from raygen.tasks.task import METRICS, Objective


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
    DISK_FULL = "disk_full"
    """Could not write. It is no fault of the trial's: the run stops, and the trial goes on when
    the run does, so this is in no journal."""

    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self is not State.RUNNING

    def has_failed(self) -> bool:
        """Whether it ended without a score that counts."""
        return self not in (State.RUNNING, State.FINISHED, State.STOPPED)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRecord:
    """All that is known of one trial; there may be ten thousand of them."""

    trial_id: str
    values: Mapping[str, Any]
    candidate: str
    source_sha: str
    num_parameters: int
    latency_ms: float | None = None
    """For the predictions of one row on the driver's CPU, untrained; None if nobody asked."""
    repeat: int = 0
    """How many times the same candidate was begun before, with other seeds."""
    state: State = State.RUNNING
    epoch: int = 0
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Of the last epoch."""
    curve: tuple[float, ...] = ()
    """The run's metric after each epoch."""
    points: tuple[tuple[float, ...], ...] = ()
    """Of several objectives: all of them after each epoch, higher being better."""
    seconds: float = 0.0
    error: str = ""
    began: float = 0.0
    """When it was first begun, in seconds since 1970; 0 if the journal does not say."""
    ended: float = 0.0
    """When it came to its end; 0 while it runs."""
    parent: str = ""
    """The trial whose weights it took over last; empty if all its epochs are its own."""
    ancestor: str = ""
    """The trial whose first values its network was built with; empty if they are its own."""
    schedule: tuple[tuple[int, Mapping[str, Any]], ...] = ()
    """Training settings that are others from a number of epochs on, as its program has them."""
    taken_over_at: int = 0
    """The epoch of the parent's weights."""
    changed: Mapping[str, Any] = field(default_factory=dict)
    """All its values since it took over another trial's weights; empty before."""
    paused_at: int = 0
    """The last epoch after which the scheduler paused it; 0 if it never did."""

    def sleeps(self) -> bool:
        """Whether it waits for the scheduler to go on with it, or to end it."""
        return self.epoch > 0 and self.epoch == self.paused_at and not self.state.is_over()

    @property
    def current(self) -> Mapping[str, Any]:
        """The values it trains with now; ``values`` are those it began with."""
        return self.changed or self.values

    def is_decided(self) -> bool:
        """Whether what was to follow from its last epoch is in the journal too."""
        return self.epoch == 0 or (bool(self.parent) and self.epoch == self.taken_over_at)

    @property
    def measures(self) -> dict[str, float]:
        """What was known of it before it was trained."""
        latency = {} if self.latency_ms is None else {"latency_ms": self.latency_ms}
        return {"num_parameters": self.num_parameters, **latency}

    def is_scored(self) -> bool:
        """Whether it is over and has a score that counts."""
        return bool(self.curve) and self.state.is_over() and not self.state.has_failed()


@dataclass(frozen=True, kw_only=True)
class Searched:
    """The budget with which a search has come to its end; None stands for no limit."""

    trials: int | None = None
    """Repeats included."""
    time_budget: float | None = None
    """Seconds."""
    total_epochs: int | None = None
    target: float | None = None
    plateau: int | None = None
    reason: str = ""
    """What ended it: trials, time budget, epochs, target, plateau, or nothing new to try."""


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


@dataclass(frozen=True, kw_only=True)
class Exploit:
    """A trial of population based training took over a better one's weights and went on."""

    trial_id: str
    parent: str
    epoch: int
    """The last epoch of the trial before it."""
    values: Mapping[str, Any]
    """What the trial trains with from then on."""
    program: str
    """The sha256 of the parent's program, whose weights they are."""


@dataclass
class FoldModels:
    """The trainings of a candidate without each fold whose weights are kept."""

    trial_id: str = ""
    seconds: dict[int, float] = field(default_factory=dict)
    """Of each that is done, by fold."""


@dataclass
class History:
    """The state of a run, rebuilt from its events."""

    metric: str = ""
    """What trials are scored by: the first objective."""
    objectives: tuple[Objective, ...] = ()
    trials: dict[str, TrialRecord] = field(default_factory=dict)
    folds: dict[tuple[str, int], FoldResult] = field(default_factory=dict)
    seeds: dict[tuple[str, int, int], float | None] = field(default_factory=dict)
    """The scores of trials that were trained on a fold with other seeds, by trial, fold and how
    much is added to the seed; None of a training that failed."""
    exploits: list[Exploit] = field(default_factory=list)
    fit: dict[str, Any] = field(default_factory=dict)
    """Trial id, epoch, metrics and seconds of the training on all rows, as far as it has come."""
    test: dict[str, Any] = field(default_factory=dict)
    """Trial id, metrics and seconds of the winner's one look at the test rows."""
    fold_models: FoldModels = field(default_factory=FoldModels)
    test_looks: int = 0
    """How often the test rows were looked at; more than once if another one won later."""
    data: list[dict[str, str]] | None = None
    """What is wrong with the rows, each a verdict and its evidence; None if nobody has looked."""
    searched: Searched | None = None
    """How the search has come to its end; None if it has not."""
    algorithm: str = ""
    """The searcher that the first session began with, which ``auto`` may have chosen."""
    search_seconds: float = 0.0
    """Time spent on searching, all sessions together."""
    sessions: list[tuple[float, float]] = field(default_factory=list)
    """When each session of the search began, and the search_seconds before it."""

    @staticmethod
    def read(path: Path) -> History:
        """Read a journal.

        Raises:
            RunError: A line in it is none that RayGen writes.
        """
        history, events = History(), read_events(path)
        for number, event in enumerate(events, start=1):
            try:
                history.take(event)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                told = f"{event['event']!r} with {type(error).__name__}: {error}"[:200]
                raise not_an_event(told, f"{path}:{number}") from None
        return history

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
                self.objectives = tuple(Objective(**each) for each in fields.get("objectives", ()))
            case "trial":
                fields.pop("drawn", None)  # how far the searcher's dice had come
                fields["values"] = _shared(fields["values"])
                record = TrialRecord(**fields, began=event.get("time", 0.0))
                self.trials[record.trial_id] = record
            case "search":
                self.algorithm = self.algorithm or fields.get("algorithm", "")
                self.sessions.append((event["time"], self.search_seconds))
            case "report" | "end" as kind:
                time = event.get("time", 0.0)
                self._spend(time)
                ended = {"ended": time} if kind == "end" else {}
                self.trials[fields["trial_id"]] = self._updated(fields | ended)
            case "fold":
                result = FoldResult(**fields | {"state": State(fields["state"])})
                self.folds[result.trial_id, result.fold] = result
            case "seed":
                key = (fields["trial_id"], fields["fold"], fields["seed"])
                self.seeds[key] = fields["score"]
            case "pause":
                known = self.trials[fields["trial_id"]]
                self.trials[known.trial_id] = replace(known, paused_at=known.epoch)
            case "exploit":
                self._exploit(fields)
            case "searched":
                self.searched = Searched(**fields)
            case "data":
                self.data = fields["verdicts"]
            case "fit":
                self.fit = fields
            case "fold_model":
                if self.fold_models.trial_id != fields["trial_id"]:
                    self.fold_models = FoldModels(fields["trial_id"])
                self.fold_models.seconds[fields["fold"]] = fields["seconds"]
            case "test":
                self.test = fields
                self.test_looks += 1

    def has_learnt(self) -> bool:
        """Whether an epoch of any training has come to its end."""
        return any(t.epoch for t in self.trials.values()) or bool(
            self.fit.get("epoch") or self.test
        )

    @property
    def mode(self) -> Literal["max", "min"]:
        """Whether a higher or a lower score is better."""
        return self.objectives[0].mode if self.objectives else METRICS[self.metric]

    def scores(self, trial: TrialRecord) -> tuple[float, ...] | None:
        """A trial's last score in each objective, higher being better; None if it has none."""
        if not trial.curve or trial.state.has_failed():
            return None
        found = {**trial.measures, "seconds": trial.seconds, **trial.metrics}
        objectives = self.objectives or (Objective(self.metric, self.mode),)
        return tuple(each.sign * float(found[each.name]) for each in objectives)

    def rewards(self, trial_id: str) -> list[float] | list[tuple[float, ...]]:
        """A trial's score after each epoch, higher being better; of several objectives all."""
        if len(self.objectives) > 1:
            return list(self.trials[trial_id].points)
        sign = 1.0 if self.mode == "max" else -1.0
        return [sign * value for value in self.trials[trial_id].curve]

    def clock(self, time: float) -> float:
        """Seconds of searching up to a moment; what lies between two sessions does not count."""
        known = self.sessions or [(time, 0.0)]
        began, before = next((s for s in reversed(known) if s[0] <= time), known[0])
        return time - began + before

    def _spend(self, time: float) -> None:
        if self.sessions:
            began, before = self.sessions[-1]
            self.search_seconds = time - began + before

    def _exploit(self, fields: Mapping[str, Any]) -> None:
        """Give a trial its parent's past up to an epoch, and values of its own from then on."""
        known, parent = self.trials[fields["trial_id"]], self.trials[fields["parent"]]
        values, epoch = fields["values"], fields["epoch"]
        exploit = Exploit(
            trial_id=known.trial_id,
            parent=parent.trial_id,
            epoch=epoch,
            values=values,
            program=parent.source_sha,
        )
        self.exploits.append(exploit)
        self.trials[known.trial_id] = replace(
            known,
            source_sha=fields["source_sha"],
            num_parameters=parent.num_parameters,
            latency_ms=parent.latency_ms,
            epoch=epoch,
            metrics=fields["metrics"],
            curve=parent.curve[:epoch],
            points=parent.points[:epoch],
            seconds=fields["seconds"],
            parent=parent.trial_id,
            ancestor=parent.ancestor or parent.trial_id,
            schedule=tuple((start, settings) for start, settings in fields["schedule"]),
            taken_over_at=epoch,
            changed=values,
        )

    def _updated(self, fields: Mapping[str, Any]) -> TrialRecord:
        """The trial's record after a report or its end; a repeated epoch counts once."""
        known = self.trials[fields["trial_id"]]
        changes = dict(fields)
        if "state" in changes:
            changes["state"] = State(changes["state"])
        if "metrics" in changes:
            changes["metrics"] = _shared(changes["metrics"])
        value = changes.get("metrics", {}).get(self.metric)
        if isinstance(value, float) and changes.get("epoch", 0) > len(known.curve):
            changes["curve"] = (*known.curve, value)
        trial = replace(known, **changes)
        if "curve" in changes and len(self.objectives) > 1:
            trial = replace(trial, points=(*known.points, self.scores(trial) or ()))
        return trial


def _shared(found: Mapping[str, Any]) -> dict[str, Any]:
    """The same with texts that all records have in common; JSON makes each of them anew."""
    return {
        sys.intern(name): sys.intern(value) if isinstance(value, str) else value
        for name, value in found.items()
    }
