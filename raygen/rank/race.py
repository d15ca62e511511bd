"""Which candidates go on to the next fold? A pure decision, made anew from all scores so far.

``standing([[0.9, 0.8], [0.5, 0.4], ...], folds=10)`` tells who is still in the race, and how many
folds each of these shall have before the next look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from raygen.rank.statistics import LEVEL, residual_spread

_FEWEST_FOLDS = 2
"""Of those that a spread is known by."""
_FEWEST_FREEDOM = 3
"""Degrees of freedom of a spread before anybody is stopped for it: two candidates that lie equally
far apart on two folds have none, by chance."""
_FEWEST_AHEAD = _FEWEST_FREEDOM + 1
"""Candidates whose second folds tell a spread with so much freedom."""
_UPSET = 0.15
"""How probable it may be that any of those that were stopped would have come first; it is shared
out among all, so that of ten candidates each has 0.15 / 9. Measured in docs/benchmarks.md."""

_DOUBT_OF_ONE = 0.01
"""How probable it may be that who is called worse by a single fold is not."""


@dataclass(frozen=True)
class Standing:
    """How a race stands."""

    goals: dict[int, int]
    """Places of the candidates that are still in it, and how many folds each of them shall have;
    they have them all when the race is over."""
    stopped: dict[int, int]
    """Places of the candidates that lag behind, and after how many folds they were stopped."""


def standing(scores: Sequence[Sequence[float]], *, folds: int) -> Standing:
    """Follow a race from its first fold, as far as there are scores.

    After each fold, a candidate is stopped if the folds that are left would hardly bring it to
    the front. The gap to the leader after all J folds is distributed, given that after m folds,
    as Student's t around it with the standard error sqrt(2 (1 / m - 1 / J)) s: what the folds
    have in common by their overlap is in both gaps and falls out. (This is the error of a sample
    mean from a finite population of J, W. Cochran: Sampling Techniques, 1977, section 2.6.) s is
    the ``residual_spread`` over all candidates that are still in the race, and the level is
    divided by the number of comparisons (Bonferroni).

    One fold tells no spread. So the better half by the first fold goes ahead to the second, and
    the others are stopped, or follow, by what these have shown: ``_far_behind``.

    Who is stopped is not called worse: ``tied_for_first`` tells that.

    Args:
        scores: Of each candidate, by fold; higher is better; NaN for a fold that failed. Its
            candidate is out of the race then, and whoever lagged behind it alone is in again.
        folds: J.
    """
    going_on = [place for place, each in enumerate(scores) if not math.isnan(sum(each))]
    stopped: dict[int, int] = {}
    first = 1 if len(going_on) > _FEWEST_AHEAD else 2
    for done in range(first, folds):
        if len(going_on) < 2:
            break
        if any(len(scores[place]) < done for place in going_on):
            return Standing(dict.fromkeys(going_on, done), stopped)
        if done == 1:
            ahead, others = _halves(scores, going_on)
            if any(len(scores[place]) < 2 for place in ahead):
                goals = {place: 2 if place in ahead else 1 for place in going_on}
                return Standing(goals, stopped)
            lagging = _far_behind(scores, ahead, others, folds)
        else:
            lagging = _lagging(scores, going_on, done, folds)
        stopped |= dict.fromkeys(lagging, done)
        going_on = [place for place in going_on if place not in stopped]
    return Standing(dict.fromkeys(going_on, folds), stopped)


def _halves(
    scores: Sequence[Sequence[float]], places: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Those that go ahead, the better half by the first fold and one more; and the others."""
    order = sorted(places, key=lambda place: -scores[place][0])
    count = max(len(order) // 2 + 1, _FEWEST_AHEAD)
    return order[:count], order[count:]


def _far_behind(
    scores: Sequence[Sequence[float]], ahead: Sequence[int], others: Sequence[int], folds: int
) -> list[int]:
    """Which of the others, of whom one fold is known, will hardly come first.

    The gap of one is that to the mean of those K ahead on the first fold, and that of their leader
    to this mean on both. The errors of the one, of the leader and of the means add up to
    sqrt((1 - 1 / J) + (1 / 2 - 1 / J) + 1 / (2 K)) s.
    """
    block = np.array([scores[place][:2] for place in ahead], dtype=float)
    margin = math.sqrt(1.5 - 2 / folds + 0.5 / len(ahead)) * _times_spread(block, len(scores))
    if margin <= 1e-9 * float(np.abs(block).max()):  # all are right on few rows, by chance
        return []
    least = block.mean(axis=1).max() - block.mean() + block[:, 0].mean() - margin
    return [place for place in others if scores[place][0] < least]


def _lagging(
    scores: Sequence[Sequence[float]], places: Sequence[int], done: int, folds: int
) -> list[int]:
    """Those whom all the folds together would hardly put first."""
    block = np.array([scores[place][:done] for place in places], dtype=float)
    margin = math.sqrt(2 * (1 / done - 1 / folds)) * _times_spread(block, len(scores))
    means = block.mean(axis=1)
    return [place for place, mean in zip(places, means, strict=True) if means.max() - mean > margin]


def _times_spread(block: NDArray[np.float64], candidates: int) -> float:
    """What is beyond chance, as a multiple of the spread; infinite where that is not known."""
    spread, freedom = residual_spread(block)
    if freedom < _FEWEST_FREEDOM:
        return math.inf
    return float(special.stdtrit(freedom, 1 - _UPSET / (candidates - 1))) * spread


def tied_for_first(
    scores: Sequence[Sequence[float]], leader: int, *, test_share: float
) -> tuple[bool, ...]:
    """Which candidates cannot be told from the leader: the true best is among them 19 of 20 times.

    A candidate is worse beyond doubt if its gap to the leader, over the folds that both have, is
    larger than t(1 - 0.05 / (C - 1)) sqrt(2 (1 / m + n_test / n_train)) s. This is S. Gupta's
    selection of a subset (Technometrics 7, 1965), with the standard error of Nadeau and Bengio,
    Bonferroni's bound in place of his constant, and the ``residual_spread`` s over all candidates
    that have these m folds. Of a single fold it is that of those who have two, who may spread less
    than others: 0.01 takes the place of 0.05 then. Where no two have them, all are tied.

    Args:
        scores: Of each candidate, by fold; higher is better; none of them failed.
        leader: Place of the one with the best mean.
        test_share: Part of the rows on which a fold is scored.
    """
    return tuple(
        place == leader or not _is_worse(scores, place, leader, test_share)
        for place in range(len(scores))
    )


def _is_worse(
    scores: Sequence[Sequence[float]], place: int, leader: int, test_share: float
) -> bool:
    done = min(len(scores[place]), len(scores[leader]))
    seen = max(done, _FEWEST_FOLDS)
    block = np.array([each[:seen] for each in scores if len(each) >= seen], dtype=float)
    if len(block) < 2:
        return False
    spread, freedom = residual_spread(block)
    gap = float(np.mean(scores[leader][:done]) - np.mean(scores[place][:done]))
    level = 1 - LEVEL if done > 1 else _DOUBT_OF_ONE
    quantile = float(special.stdtrit(freedom, 1 - level / (len(scores) - 1)))
    return gap > quantile * spread * math.sqrt(2 * (1 / done + test_share / (1 - test_share)))
