"""The median stopping rule: who is worse than the middle of the others ends.

Golovin et al. 2017, "Google Vizier", section 3.2.2.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import MedianStoppingRule, TrialScheduler

from raygen.search.schedulers.terms import SchedulerTerms, name_of

_LEAST_OTHERS = 3
"""With fewer there is no middle to speak of."""


def median(terms: SchedulerTerms) -> TrialScheduler:
    """Nobody ends in the first ninth of the epochs."""
    return FiniteMedian(terms)


class FiniteMedian(MedianStoppingRule):  # type: ignore[misc]  # Ray has no types
    """Ray's rule, kept up to date instead of computed anew, that lets no NaN through.

    Ray goes over all epochs of all trials in every epoch, counts a last epoch twice, and pauses
    trials while there are few others, which would need a checkpoint of every epoch.
    """

    def __init__(self, terms: SchedulerTerms) -> None:
        grace = int(terms.options.get("grace_epochs", math.ceil(terms.max_epochs / 9)))
        super().__init__(time_attr="epoch", grace_period=grace, min_samples_required=_LEAST_OTHERS)
        self._sign = terms.sign
        self._rewards: dict[str, list[float]] = defaultdict(list)
        self._means: dict[int, list[float]] = defaultdict(list)
        """By epoch: the means until then of all trials that came so far, in order."""

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Take the name of the score and its direction."""
        self._sign = -1.0 if mode == "min" else 1.0
        return bool(super().set_search_properties(metric, mode, **spec))

    def recall(self, trial_id: str, rewards: Sequence[float], *, over: bool = True) -> None:
        """Count a trial of an earlier session; one that is not over goes on behind these epochs."""
        for reward in rewards:
            self._take(trial_id, reward)
        if over:
            self._rewards.pop(trial_id, None)

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Stop a trial whose best score is worse than the median of the others' means."""
        name, epoch = name_of(trial), int(result["epoch"])
        if not math.isfinite(result[self._metric]):
            return str(TrialScheduler.STOP)
        if epoch <= len(self._rewards[name]):  # told once more after a restart
            return str(TrialScheduler.CONTINUE)
        others = self._means[epoch]
        middle = _median(others) if len(others) >= self._min_samples_required else -math.inf
        self._take(name, self._sign * result[self._metric])
        if max(self._rewards[name]) < middle:
            self._stopped_trials.add(name)
            return str(TrialScheduler.STOP)
        return str(TrialScheduler.CONTINUE)

    def on_trial_complete(self, controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Forget what has failed; its means must not count for the others."""
        rewards = self._rewards.pop(name_of(trial), [])
        if not math.isfinite(result.get(self._metric, math.nan)):
            for epoch, mean in self._counted(rewards):
                means = self._means[epoch]
                del means[bisect_left(means, mean)]

    def on_trial_error(self, controller: Any, trial: Trial) -> None:
        """Keep what is known: a trial that is tried again goes on behind these epochs."""

    def _take(self, name: str, reward: float) -> None:
        rewards = self._rewards[name]
        rewards.append(reward)
        if len(rewards) >= self._grace_period:
            mean = math.fsum(rewards[self._grace_period - 1 :]) / (
                len(rewards) - self._grace_period + 1
            )
            insort(self._means[len(rewards)], mean)

    def _counted(self, rewards: list[float]) -> list[tuple[int, float]]:
        """The means that ``_take`` has put in for these rewards."""
        counted = rewards[self._grace_period - 1 :]
        return [
            (self._grace_period + at, math.fsum(counted[: at + 1]) / (at + 1))
            for at in range(len(counted))
        ]


def _median(ordered: list[float]) -> float:
    half, odd = divmod(len(ordered), 2)
    return ordered[half] if odd else (ordered[half - 1] + ordered[half]) / 2
