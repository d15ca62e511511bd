"""Which of many observations does a library see, so that its next suggestion stays cheap?

A model's fit grows with its observations, for a Gaussian process with their third power. Beyond a
limit a library is shown a third of the best, a third of the newest, and a draw from the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raygen.search.strategies.strategy import Scores, Values


@dataclass(frozen=True)
class Observation:
    """A candidate that is over."""

    number: int
    values: Values
    scores: Scores | None
    """Its last scores; None if it failed."""
    epoch: int
    """The last epoch it reported; 0 if it reported none."""
    lot: float
    """A number from 0 to 1 drawn once, so that the draw of a subset is the same after a resume."""


def subset(observations: Sequence[Observation], *, limit: int) -> list[Observation]:
    """Choose at most ``limit`` observations: the best, the newest, and a draw, in their order.

    The choice depends on the observations alone. Failures are never among the best.
    """
    if len(observations) <= limit:
        return list(observations)
    newest = range(len(observations) - limit // 3, len(observations))
    chosen = {*newest, *_best(observations, limit // 3)}
    for index in sorted(range(len(observations)), key=lambda at: observations[at].lot):
        if len(chosen) >= limit:
            break
        chosen.add(index)
    return [observations[index] for index in sorted(chosen)]


def _best(observations: Sequence[Observation], count: int) -> list[int]:
    """Indices of the best; with several objectives front by front."""
    scored = [index for index, each in enumerate(observations) if each.scores is not None]
    if len(scored) <= count:
        return scored
    points = np.array([observations[index].scores for index in scored], dtype=float)
    if points.shape[1] == 1:
        return [scored[at] for at in np.argsort(-points[:, 0], kind="stable")[:count]]
    best: list[int] = []
    left = np.arange(len(points))
    while len(best) < count:
        front = left[_front(points[left])]
        best += [scored[at] for at in front]
        left = np.setdiff1d(left, front)
    return best[:count]


def _front(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which points (n, objectives) no other one dominates; quick where these are few."""
    undominated = np.ones(len(points), dtype=bool)
    for index in range(len(points)):
        if undominated[index]:
            worse = (points <= points[index]).all(axis=1) & (points < points[index]).any(axis=1)
            undominated &= ~worse
    return undominated
