"""When does what happen in a search whose scores are known: a virtual clock and its workers."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ray.tune.execution.placement_groups import PlacementGroupFactory
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from raygen.search.candidates import Candidates, Refused
from raygen.search.replayed import Curve, Ended, Mode, Replayed, ReplayedTrial, Score, Step
from raygen.search.strategies.strategy import Values

_ONE_CPU = PlacementGroupFactory([{"CPU": 1.0}])


@dataclass(frozen=True, kw_only=True)
class VirtualBudget:
    """What ends a search; infinite for no limit."""

    trials: float
    epochs: float
    seconds: float


@dataclass(eq=False, slots=True)
class VirtualTrial:
    """What schedulers look at in a trial of Ray Tune, and what the clock knows of it."""

    number: int
    values: Values
    trial_id: str
    config: dict[str, Any]
    status: str = "PENDING"
    last_result: dict[str, Any] = field(default_factory=dict)
    placement_group_factory: PlacementGroupFactory | None = _ONE_CPU
    experiment_tag: str = ""
    is_saving: bool = False
    epoch: int = 0
    scores: Sequence[Score] = ()
    seconds: Sequence[float] | float = 1.0
    state: Any = None
    states: dict[int, Any] = field(default_factory=dict)
    told: list[Any] = field(default_factory=list)
    first: Values = field(default_factory=dict)
    schedule: list[tuple[int, Values]] = field(default_factory=list)
    attempt: int = 0
    cpus: int = 0
    began_s: float = math.nan
    ended_s: float = math.nan
    outcome: Ended = "stopped"

    def __str__(self) -> str:
        return self.trial_id

    def is_finished(self) -> bool:
        """Whether it is over, whatever became of it."""
        return self.status in ("TERMINATED", "ERROR")

    def set_config(self, config: dict[str, Any]) -> None:
        """Go on with another configuration when it is started again."""
        self.config = config

    def update_resources(self, resources: PlacementGroupFactory) -> None:
        """Take more or fewer CPUs when it is started again."""
        self.placement_group_factory = resources

    def width(self) -> int:
        """The slots it takes."""
        if self.placement_group_factory is _ONE_CPU or self.placement_group_factory is None:
            return 1
        return max(1, round(float(self.placement_group_factory.required_resources["CPU"])))


class VirtualCluster:
    """A virtual clock, its workers, and what schedulers use of Ray Tune's controller."""

    search_alg = None

    def __init__(
        self,
        *,
        candidates: Candidates,
        modes: tuple[Mode, ...],
        max_epochs: int,
        workers: int,
        budget: VirtualBudget,
        curve: Curve | None,
        step: Step | None,
        seconds: Callable[[Values], float | Sequence[float]] | None,
        startup_s: float,
        decision_s: float,
        begin_s: float,
    ) -> None:
        self._candidates, self._modes, self._max_epochs = candidates, modes, max_epochs
        self._signs = tuple(1.0 if mode == "max" else -1.0 for mode in modes)
        self._workers, self._budget = workers, budget
        self._curve, self._step, self._seconds = curve, step, seconds
        self._startup_s, self._decision_s, self._begin_s = startup_s, decision_s, begin_s
        self._trials: list[VirtualTrial] = []
        self._live: dict[int, VirtualTrial] = {}
        self._events: list[tuple[float, int, int, VirtualTrial]] = []
        self._now = self._driver_free = self._busy_s = 0.0
        self._count = 0
        self._free = workers
        self._running = 0
        self._waiting = 0
        self._epochs_begun = 0
        self._exhausted = False
        self._log: list[tuple[float, int, int, Any]] = []
        self._moves: list[tuple[int, int, int]] = []
        self._resource_updater = self  # schedulers ask it for the number of CPUs

    # what schedulers use of Ray Tune's controller

    def get_trials(self) -> list[VirtualTrial]:
        """The trials that are not over; no scheduler has a use for the others."""
        return list(self._live.values())

    def get_live_trials(self) -> list[VirtualTrial]:
        """The same."""
        return list(self._live.values())

    def get_num_cpus(self) -> int:
        """One for each worker."""
        return self._workers

    def get_num_gpus(self) -> int:
        """None."""
        return 0

    def pause_trial(self, trial: VirtualTrial, should_checkpoint: bool = True) -> None:
        """Take its worker; it goes on after its last epoch when the scheduler chooses it."""
        if trial.status == "RUNNING":
            self._release(trial)
            trial.status = "PAUSED"
            self._waiting += 1

    def stop_trial(self, trial: VirtualTrial) -> None:
        """End a trial, as Ray Tune does."""
        if trial.is_finished():
            return
        if trial.status == "RUNNING":
            self._scheduler.on_trial_complete(self, trial, trial.last_result)
        else:
            self._scheduler.on_trial_remove(self, trial)
        self._end(trial, "stopped")

    # the hooks of SchedulerTerms

    def has_more(self) -> bool:
        """Whether new candidates may still be proposed."""
        return (
            not self._exhausted
            and len(self._trials) < self._budget.trials
            and self._epochs_begun < self._budget.epochs
            and self._now < self._budget.seconds
        )

    def move(
        self, recipient: VirtualTrial, donor: VirtualTrial, epoch: int, values: Values
    ) -> dict[str, Any] | None:
        """Put the recipient where the donor was after that epoch, with other values."""
        assert epoch >= recipient.epoch, "a step counter never goes back"
        if self._step is not None:
            if epoch not in donor.states:
                return None
            recipient.state = donor.states[epoch]
        recipient.epoch, recipient.values = epoch, dict(values)
        recipient.schedule.append((epoch, recipient.values))
        self._load(recipient)
        self._moves.append((recipient.number, donor.number, epoch))
        return dict(recipient.config)

    # the clock

    def run(self, scheduler: TrialScheduler, pool: int) -> Replayed:
        """Let events happen until nothing is left to happen."""
        self._scheduler, self._pool = scheduler, pool
        # most schedulers choose the oldest trial that waits, and look at all of them for it
        self._chooses = type(scheduler).choose_trial_to_run is not FIFOScheduler.choose_trial_to_run
        events = self._events
        self._fill()
        while events:
            time_s, _, attempt, trial = heapq.heappop(events)
            if attempt != trial.attempt:
                continue
            self._now = time_s
            if self._decision_s:
                self._now = self._driver_free = max(time_s, self._driver_free) + self._decision_s
            self._tell(trial, time_s)
            if self._free:
                self._fill()
        for trial in self.get_trials():  # the budget in epochs has ended, or time before a start
            self.stop_trial(trial)
        return self._replayed()

    def _fill(self) -> None:
        """Give every free worker a trial."""
        while self._free > 0:
            trial = self._next()
            if trial is None:
                return
            if trial.width() > self._free or not self._start(trial):
                return

    def _next(self) -> VirtualTrial | None:
        """The trial to run next: one that waits, or else a new one."""
        while len(self._live) < self._pool and self.has_more():
            if self._new() is None:
                break
        chosen = self._chosen()
        if chosen is None and self.has_more() and self._new() is not None:
            chosen = self._chosen()
        elif chosen is None and self._chooses and not self._running:
            chosen = self._chosen()  # ending some of those that sleep may have woken others
        return chosen

    def _chosen(self) -> VirtualTrial | None:
        if self._chooses or self._waiting:
            found: VirtualTrial | None = self._scheduler.choose_trial_to_run(self)
            return found
        return None

    def _new(self) -> VirtualTrial | None:
        """Ask for a trial; None if nothing new is proposed any more."""
        try:
            proposal = self._candidates.next()
        except Refused:
            proposal = None
        if proposal is None:
            self._exhausted = True
            return None
        number, values = len(self._trials), dict(proposal.values)
        name = f"{number:05d}"
        config = {"trial_id": name, "number": number}
        trial = VirtualTrial(number, values, name, config, first=values)
        self._load(trial)
        self._trials.append(trial)
        self._live[number] = trial
        self._waiting += 1
        self._candidates.begin(number, values, proposal.repeat)
        self._scheduler.on_trial_add(self, trial)
        return trial

    def _load(self, trial: VirtualTrial) -> None:
        """Look up the curve of its values."""
        if self._curve is not None:
            found = self._curve(dict(trial.values))
            # a list is read several times faster than an array
            trial.scores = found.tolist() if isinstance(found, np.ndarray) else found
        if self._seconds is not None:
            each = self._seconds(dict(trial.values))
            trial.seconds = each if isinstance(each, (int, float)) else list(each)

    def _start(self, trial: VirtualTrial) -> bool:
        if self._epochs_begun >= self._budget.epochs:
            return False
        trial.cpus = trial.width()
        self._free -= trial.cpus
        self._running += 1
        self._waiting -= 1
        trial.status = "RUNNING"
        if math.isnan(trial.began_s):
            trial.began_s = self._now
        at_s = self._now
        if self._begin_s:
            at_s = self._driver_free = max(self._now, self._driver_free) + self._begin_s
        self._begin_epoch(trial, at_s + self._startup_s)
        return True

    def _begin_epoch(self, trial: VirtualTrial, at_s: float) -> None:
        each = trial.seconds
        if isinstance(each, list):
            each = each[min(trial.epoch, len(each) - 1)]
        takes_s = float(each) / trial.cpus  # type: ignore[arg-type]
        self._busy_s += takes_s * trial.cpus
        self._epochs_begun += 1
        self._count += 1
        heapq.heappush(self._events, (at_s + takes_s, self._count, trial.attempt, trial))

    def _tell(self, trial: VirtualTrial, time_s: float) -> None:
        """Tell the scheduler and the strategy of an epoch, and do what is decided."""
        score = self._score(trial)
        epoch = trial.epoch = trial.epoch + 1
        if score is None:
            self._scheduler.on_trial_error(self, trial)
            self._end(trial, "lost")
            return
        self._log.append((time_s, trial.number, epoch, score))
        trial.told.append(score)
        result: dict[str, Any]
        if isinstance(score, tuple):
            signed = tuple(sign * each for sign, each in zip(self._signs, score, strict=True))
            failed = not all(map(math.isfinite, score))
            result = {"score": math.nan if failed else score[0], "scores": signed}
        else:
            signed = (self._signs[0] * score,)
            failed = not math.isfinite(score)
            result = {"score": math.nan if failed else score}
        result["epoch"] = result["training_iteration"] = epoch
        trial.last_result = result
        if failed or epoch >= self._max_epochs:
            result["done"] = True
            if not failed:
                self._candidates.report(trial.number, epoch, signed)
            self._scheduler.on_trial_complete(self, trial, result)
            self._end(trial, "nan" if failed else "finished")
            return
        self._candidates.report(trial.number, epoch, signed)
        decision = self._scheduler.on_trial_result(self, trial, result)
        if decision == TrialScheduler.CONTINUE:
            if self._epochs_begun < self._budget.epochs:
                self._begin_epoch(trial, self._now)
            else:
                self.stop_trial(trial)
        elif decision == TrialScheduler.STOP:
            self.stop_trial(trial)
        elif decision == TrialScheduler.PAUSE:
            self._candidates.pause(trial.number, signed)
            self.pause_trial(trial)

    def _score(self, trial: VirtualTrial) -> Any:
        """The score of the trial's next epoch: a number, a tuple, or None."""
        if self._step is not None:
            found, trial.state = self._step(dict(trial.values), trial.epoch + 1, trial.state)
            trial.states[trial.epoch + 1] = trial.state
        else:
            found = trial.scores[trial.epoch]
        if found is None:
            return None
        return tuple(map(float, found)) if isinstance(found, Sequence) else float(found)

    def _release(self, trial: VirtualTrial) -> None:
        trial.attempt += 1
        self._free += trial.cpus
        self._running -= 1

    def _end(self, trial: VirtualTrial, outcome: Ended) -> None:
        if trial.is_finished():
            return
        if trial.status == "RUNNING":
            self._release(trial)
        else:
            self._waiting -= 1
        trial.status = "ERROR" if outcome == "lost" else "TERMINATED"
        trial.outcome, trial.ended_s = outcome, self._now
        trial.states, trial.state = {}, None
        del self._live[trial.number]
        last = trial.told[-1] if trial.told and outcome in ("finished", "stopped") else None
        if last is None:
            self._candidates.end(trial.number, None)
            return
        scores = last if isinstance(last, tuple) else (last,)
        signed = tuple(sign * each for sign, each in zip(self._signs, scores, strict=True))
        self._candidates.end(trial.number, signed)

    def _replayed(self) -> Replayed:
        trials = tuple(
            ReplayedTrial(
                number=trial.number,
                values=trial.first,
                curve=tuple(trial.told),
                state=trial.outcome,
                began_s=trial.began_s,
                ended_s=trial.ended_s,
                epoch=trial.epoch,
                schedule=((0, trial.first), *trial.schedule) if trial.schedule else (),
            )
            for trial in self._trials
        )
        return Replayed(
            trials=trials,
            epochs=tuple(self._log),
            moves=tuple(self._moves),
            modes=self._modes,
            seconds=self._now,
            busy_s=self._busy_s,
            workers=self._workers,
        )
