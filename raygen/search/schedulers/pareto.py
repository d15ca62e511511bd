"""Asynchronous successive halving for several objectives, by non-dominated rank.

Schmucker et al. 2021, "Multi-objective asynchronous successive halving" (arXiv 2106.12639).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from raygen.runs.fronts import fronts
from raygen.search.schedulers.rungs import halving, reduction
from raygen.search.schedulers.terms import SchedulerTerms, name_of

_MOST = 256
"""Trials of a rung that one is ranked among; of more, every so manieth."""


class ParetoASHA(FIFOScheduler):  # type: ignore[misc]  # Ray has no types
    """Stops a trial at a rung unless it ranks in the best third of all that came there.

    The rank is by front; within a front those come first that are far from each other (an
    epsilon-net), so that the whole front goes on being covered.
    """

    def __init__(self, terms: SchedulerTerms) -> None:
        super().__init__()
        self._factor = reduction(terms)
        self._rungs: dict[int, dict[str, tuple[float, ...]]] = {
            milestone: {} for milestone in halving(terms)
        }

    def recall(
        self, trial_id: str, rewards: Sequence[Sequence[float]], *, over: bool = True
    ) -> None:
        """Put a trial of an earlier session into the rungs it reached."""
        for milestone, recorded in self._rungs.items():
            if len(rewards) >= milestone:
                recorded[trial_id] = tuple(rewards[milestone - 1])

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Stop what has failed, and at a rung who is not among the best."""
        name, scores = name_of(trial), tuple(result["scores"])
        if not all(map(math.isfinite, scores)):
            return str(TrialScheduler.STOP)
        recorded = self._rungs.get(result["epoch"])
        if recorded is None or name in recorded:
            return str(TrialScheduler.CONTINUE)
        stays = self._is_among_best(list(recorded.values()), scores)
        recorded[name] = scores
        return str(TrialScheduler.CONTINUE if stays else TrialScheduler.STOP)

    def _is_among_best(self, others: list[tuple[float, ...]], scores: tuple[float, ...]) -> bool:
        stride = -(-len(others) // _MOST) or 1
        points = np.array([*others[::stride], scores], float)
        equals = np.flatnonzero((points == points[-1]).all(axis=1))
        best_first = rank(points)
        place = min(best_first.index(int(each)) for each in equals)
        return place < max(1.0, len(points) / self._factor)


def rank(points: NDArray[np.float64]) -> list[int]:
    """Sort points, best first: by front, then as an epsilon-net of the front.

    Args:
        points: Shape (points, objectives), higher is better.

    Returns:
        Indices into ``points``.
    """
    found: list[int] = []
    extent = np.ptp(points, axis=0)
    scaled = (points - points.min(axis=0)) / np.where(extent > 0, extent, 1.0)
    numbers = fronts(points)
    for number in range(int(numbers.max(initial=-1)) + 1):
        members = np.flatnonzero(numbers == number)
        found += [int(members[at]) for at in _net(scaled[members])]
    return found


def _net(points: NDArray[np.float64]) -> list[int]:
    """Begin with the point of the greatest sum; then always the one furthest from all before."""
    chosen = [int(points.sum(axis=1).argmax())]
    distance = np.full(len(points), math.inf)
    while len(chosen) < len(points):
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
        distance[chosen] = -1.0
        chosen.append(int(distance.argmax()))
    return chosen
