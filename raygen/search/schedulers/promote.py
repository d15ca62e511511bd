"""Successive halving with promotion: trials wait at each rung until they are among the best of it.

Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning" (arXiv 1810.05934),
algorithm 2. Unlike the kind that stops, nobody is lost for having come early or late: a trial is
promoted as soon as enough others are worse.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from raygen.search.schedulers.rungs import halving, reduction
from raygen.search.schedulers.terms import SchedulerTerms, name_of


def promoting_asha(terms: SchedulerTerms) -> TrialScheduler:
    """Rungs where ``asha`` has them."""
    return PromotingASHA(terms)


@dataclass
class _Rung:
    """The scores of all trials that reached it, and those among them that sleep."""

    milestone: int
    order: list[tuple[float, int]] = field(default_factory=list)
    """(-score, arrival): the best first, the earlier of two equals first."""
    asleep: list[tuple[float, int, str]] = field(default_factory=list)
    """A heap of the same with the trial's name; who has left it is still in here for a while."""

    def record(self, name: str, reward: float, *, sleeps: bool) -> None:
        """Put a trial's score among the others."""
        place = (-reward, len(self.order))
        insort(self.order, place)
        if sleeps:
            heapq.heappush(self.asleep, (*place, name))


class PromotingASHA(FIFOScheduler):  # type: ignore[misc]  # Ray has no types
    """Pauses at each rung, and wakes the best sleeper that is in the best third of its rung."""

    _supports_buffered_results = False

    def __init__(self, terms: SchedulerTerms) -> None:
        super().__init__()
        self._terms, self._factor, self._sign = terms, reduction(terms), terms.sign
        self._rungs = [_Rung(milestone) for milestone in halving(terms)]
        self._rung_at = {rung.milestone: rung for rung in self._rungs}
        self._alive: dict[str, Trial] = {}
        self._new: dict[str, Trial] = {}
        self._seen: dict[str, int] = {}
        self._sleeps: dict[str, int] = {}
        """Trial to the milestone that it waits at."""

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Take the name of the score and its direction."""
        self._metric, self._sign = metric or "score", -1.0 if mode == "min" else 1.0
        return True

    def recall(self, trial_id: str, rewards: Sequence[float], *, over: bool = True) -> None:
        """Put a trial of an earlier session into the rungs it reached; higher is better.

        One that is not over goes on behind these epochs.
        """
        for rung in self._rungs:
            if len(rewards) >= rung.milestone:
                rung.record(trial_id, rewards[rung.milestone - 1], sleeps=False)
        if not over:
            self._seen[trial_id] = len(rewards)

    def on_trial_add(self, controller: Any, trial: Trial) -> None:
        """Let it wait for a worker."""
        self._alive[name_of(trial)] = self._new[name_of(trial)] = trial

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Pause at a rung, unless the trial is the very one that would be woken next."""
        name, epoch = name_of(trial), int(result["epoch"])
        if not math.isfinite(result[self._metric]):
            return str(TrialScheduler.STOP)
        if epoch <= self._seen.get(name, 0):  # told once more after a restart
            return str(TrialScheduler.CONTINUE)
        self._seen[name] = epoch
        self._sleeps.pop(name, None)
        rung = self._rung_at.get(epoch)
        if rung is None:
            return str(TrialScheduler.CONTINUE)
        rung.record(name, self._sign * result[self._metric], sleeps=True)
        self._sleeps[name] = epoch
        if self._promotable(running=name) is trial:
            del self._sleeps[name]
            return str(TrialScheduler.CONTINUE)
        return str(TrialScheduler.PAUSE)

    def on_trial_complete(self, controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Let go of a trial that is over; its scores stay in the rungs."""
        self.on_trial_remove(controller, trial)

    def on_trial_error(self, controller: Any, trial: Trial) -> None:
        """Let go of a trial whose worker died; if it is tried again, it is added again."""
        name = name_of(trial)
        self._alive.pop(name, None)
        self._new.pop(name, None)

    def on_trial_remove(self, controller: Any, trial: Trial) -> None:
        """Let go of a trial that was stopped while it slept, or that never ran."""
        self.on_trial_error(controller, trial)
        self._seen.pop(name_of(trial), None)
        self._sleeps.pop(name_of(trial), None)

    def choose_trial_to_run(self, controller: Any) -> Trial | None:
        """Wake a trial of the highest rung that has one to promote; else begin a new one."""
        promotable = self._promotable()
        if promotable is not None:
            return promotable
        for name, trial in list(self._new.items()):
            if trial.status == Trial.PENDING:
                return trial
            del self._new[name]
        if not self._terms.more():
            self._dismiss(controller)
        return None

    def _promotable(self, running: str | None = None) -> Trial | None:
        """The best sleeper of the highest rung where it is among the best third of all."""
        for rung in reversed(self._rungs):
            while rung.asleep:
                *place, name = rung.asleep[0]
                trial = self._alive.get(name)
                if trial is not None and self._sleeps.get(name) == rung.milestone:
                    if name == running or not _is_awake(trial):
                        break
                    del self._sleeps[name]  # it was woken
                heapq.heappop(rung.asleep)
            else:
                continue
            rank = bisect_left(rung.order, (place[0], place[1]))
            ready = name == running or trial.status in (Trial.PAUSED, Trial.PENDING)
            if ready and rank < math.floor(len(rung.order) / self._factor):
                return trial
        return None

    def _dismiss(self, controller: Any) -> None:
        """Stop the sleepers when nothing is left that could get one of them promoted."""
        if any(trial.status in (Trial.RUNNING, Trial.PENDING) for trial in self._alive.values()):
            return
        for trial in list(self._alive.values()):
            controller.stop_trial(trial)


def _is_awake(trial: Trial) -> bool:
    """Whether it trains; while it is being saved it is about to sleep."""
    return bool(trial.status == Trial.RUNNING and not trial.is_saving)
