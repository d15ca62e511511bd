"""Asynchronous successive halving: who is not in the best third of a rung ends there."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler
from ray.tune.schedulers.async_hyperband import _Bracket

from raygen.search.schedulers.rungs import grace, reduction
from raygen.search.schedulers.terms import SchedulerTerms, name_of


def asha(terms: SchedulerTerms) -> TrialScheduler:
    """Stop on the score, or on the non-dominated rank where there are several objectives."""
    if terms.objectives > 1:
        from raygen.search.schedulers.pareto import ParetoASHA

        return ParetoASHA(terms)
    return FiniteASHA(terms)


class FiniteASHA(AsyncHyperBandScheduler):  # type: ignore[misc]  # Ray has no types
    """Ray's ASHA (Li et al. 2020, arXiv 1810.05934) that lets no NaN through.

    In Ray's own, a NaN compares false with every cutoff, so the trial goes on to the last rung
    and its NaN enters the cutoffs of the others. Here a trial that failed leaves no trace. The
    decisions are Ray's; only its rungs are kept sorted, so that a decision among ten thousand
    trials costs what it costs among ten.
    """

    def __init__(self, terms: SchedulerTerms) -> None:
        first, factor = grace(terms), reduction(terms)
        super().__init__(
            time_attr="epoch", max_t=terms.max_epochs, grace_period=first, reduction_factor=factor
        )
        self._brackets = [_SortedBracket(first, terms.max_epochs, factor, 0)]

    def recall(self, trial_id: str, rewards: Sequence[Any], *, over: bool = True) -> None:
        """Put a trial of an earlier session into the rungs it reached; higher is better.

        What was decided then is not decided again, be the trial over or not.
        """
        for epoch, reward in enumerate(rewards, start=1):
            self._brackets[0].decide(trial_id, epoch, reward)

    def on_trial_add(self, controller: Any, trial: Trial) -> None:
        """Put it into the one bracket; Ray's own draws from the global generator for that."""
        assert self._metric_op, "set_search_properties comes first"
        self._trial_info[trial.trial_id] = self._brackets[0]

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Stop what has failed, and let Ray decide on the rest."""
        if not math.isfinite(result[self._metric]):
            return str(TrialScheduler.STOP)
        return str(super().on_trial_result(controller, trial, result))

    def on_trial_complete(self, controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Forget what has failed."""
        if math.isfinite(result.get(self._metric, math.nan)):
            super().on_trial_complete(controller, trial, result)
        else:
            self._trial_info.pop(trial.trial_id, None)

    def on_trial_error(self, controller: Any, trial: Trial) -> None:
        """Forget a trial whose worker died; if it is tried again, it is added again."""
        self._trial_info.pop(trial.trial_id, None)

    def on_trial_remove(self, controller: Any, trial: Trial) -> None:
        """Forget a trial that never ran."""
        self._trial_info.pop(trial.trial_id, None)


class _SortedBracket(_Bracket):  # type: ignore[misc]  # Ray has no types
    """Ray's bracket, its rungs sorted as they are filled."""

    rf: float
    _rungs: list[tuple[float, _Rung]]

    def __init__(self, *terms: float) -> None:
        super().__init__(*terms)
        self._rungs = [(milestone, _Rung()) for milestone, _ in self._rungs]

    def on_result(self, trial: Trial, epoch: int, reward: float) -> str:
        """Decide as Ray does, and remember the trial by its number in the journal."""
        return self.decide(name_of(trial), epoch, reward)

    def decide(self, name: str, epoch: int, reward: float) -> str:
        """What Ray decides on a trial of that name."""
        return str(super().on_result(SimpleNamespace(trial_id=name), epoch, reward))

    def cutoff(self, recorded: _Rung) -> float | None:
        """The percentile of all scores that Ray takes of them, linear between neighbours."""
        ordered = recorded.ordered
        if not ordered:
            return None
        place = (1 - 1 / self.rf) * (len(ordered) - 1)
        below = int(place)
        low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
        return low + (high - low) * (place - below)


class _Rung(dict[str, float]):
    """Scores by trial, and the same scores in order."""

    def __init__(self) -> None:
        super().__init__()
        self.ordered: list[float] = []

    def __setitem__(self, trial_id: str, score: float) -> None:
        super().__setitem__(trial_id, score)
        insort(self.ordered, score)
