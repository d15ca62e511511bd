"""Which of some candidates with several scores are better: non-dominated fronts and crowding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def order(scores: list[tuple[float, ...] | None]) -> list[int]:
    """Sort candidates, best first: by front, then by crowding distance, then the newest first.

    Deb et al. 2002, "A fast and elitist multiobjective genetic algorithm: NSGA-II", sections III A
    and III B. With a single objective the fronts are the scores themselves, best first.

    Args:
        scores: Higher is better in each objective; None, a failure, is worse than every other.

    Returns:
        Indices into ``scores``.
    """
    scored = [index for index, each in enumerate(scores) if each is not None]
    failed = [index for index, each in enumerate(scores) if each is None]
    points = np.array([scores[index] for index in scored], float)
    ranks = fronts(points)
    distances = np.zeros(len(scored))
    for rank in range(int(ranks.max(initial=-1)) + 1):
        members = np.flatnonzero(ranks == rank)
        distances[members] = crowding(points[members])
    keys = sorted(range(len(scored)), key=lambda at: (ranks[at], -distances[at], -scored[at]))
    return [*(scored[at] for at in keys), *reversed(failed)]


def fronts(points: Floats) -> NDArray[np.int64]:
    """Number the fronts: 0 for points no other dominates, 1 for those only front 0 dominates...

    Args:
        points: Shape (points, objectives), higher is better.

    Returns:
        Shape (points,).
    """
    ranks = np.zeros(len(points), dtype=np.int64)
    if not len(points):
        return ranks
    best_first = np.lexsort(-points.T[::-1])  # whoever dominates a point comes before it
    ordered = points[best_first]
    for place in range(1, len(points)):
        before, point = ordered[:place], ordered[place]
        beats = (before >= point).all(axis=1) & (before > point).any(axis=1)
        if beats.any():
            ranks[best_first[place]] = ranks[best_first[:place][beats]].max() + 1
    return ranks


def crowding(points: Floats) -> Floats:
    """How far each point of a front is from its neighbours; the ends are infinitely far.

    Args:
        points: Shape (points, objectives), of one front.

    Returns:
        Shape (points,).
    """
    distances = np.zeros(len(points))
    for column in points.T:
        by_score = np.argsort(column, kind="stable")
        span = column[by_score[-1]] - column[by_score[0]] if len(column) else 0.0
        distances[by_score[[0, -1]]] = np.inf
        if span > 0:
            distances[by_score[1:-1]] += (column[by_score[2:]] - column[by_score[:-2]]) / span
    return distances
