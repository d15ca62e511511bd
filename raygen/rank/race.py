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

_FIRST_LOOK = 2
"""Folds after which candidates can be told apart at all."""
_FEWEST_FREEDOM = 3
"""Degrees of freedom of a spread before anybody is stopped for it: two candidates that lie equally
far apart on two folds have none, by chance."""
_UPSET = 0.2
"""How probable it may be that any of those that were stopped would have come first; it is shared
out among all, so that of ten candidates each has 0.2 / 9. Measured in docs/benchmarks.md."""


@dataclass(frozen=True)
class Standing:
    """How a race stands."""

    going_on: tuple[int, ...]
    """Places of the candidates that are still in it."""
    goal: int
    """Folds that each of these shall have; they have them all when the race is over."""
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

    Who is stopped is not called worse: ``tied_for_first`` tells that.

    Args:
        scores: Of each candidate, by fold; higher is better; NaN for a fold that failed. Its
            candidate is out of the race then, and whoever lagged behind it alone is in again.
        folds: J.
    """
    going_on = [place for place, each in enumerate(scores) if not math.isnan(sum(each))]
    stopped: dict[int, int] = {}
    for done in range(_FIRST_LOOK, folds):
        if len(going_on) < 2:
            break
        if any(len(scores[place]) < done for place in going_on):
            return Standing(tuple(going_on), done, stopped)
        block = np.array([scores[place][:done] for place in going_on], dtype=float)
        lagging = _lagging(block, folds=folds, comparisons=len(scores) - 1)
        stopped |= {going_on[row]: done for row in lagging}
        going_on = [place for place in going_on if place not in stopped]
    return Standing(tuple(going_on), folds, stopped)


def _lagging(block: NDArray[np.float64], *, folds: int, comparisons: int) -> list[int]:
    """The rows of a block of scores that all the folds together would hardly put first."""
    done = block.shape[1]
    spread, freedom = residual_spread(block)
    if freedom < _FEWEST_FREEDOM:
        return []
    quantile = float(special.stdtrit(freedom, 1 - _UPSET / comparisons))
    margin = quantile * spread * math.sqrt(2 * (1 / done - 1 / folds))
    means = block.mean(axis=1)
    return [int(row) for row in np.flatnonzero(means.max() - means > margin)]


def tied_for_first(
    scores: Sequence[Sequence[float]], leader: int, *, test_share: float
) -> tuple[bool, ...]:
    """Which candidates cannot be told from the leader: the true best is among them 19 of 20 times.

    A candidate is worse beyond doubt if its gap to the leader, over the folds that both have, is
    larger than t(1 - 0.05 / (C - 1)) sqrt(2 (1 / m + n_test / n_train)) s. This is S. Gupta's
    selection of a subset (Technometrics 7, 1965), with the standard error of Nadeau and Bengio,
    Bonferroni's bound in place of his constant, and the ``residual_spread`` s over all candidates
    that have these m folds. On a single fold, or without a second candidate on these folds, all
    are tied.

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
    if done < _FIRST_LOOK:
        return False
    block = np.array([each[:done] for each in scores if len(each) >= done], dtype=float)
    spread, freedom = residual_spread(block)
    gap = float(np.mean(scores[leader][:done]) - np.mean(scores[place][:done]))
    quantile = float(special.stdtrit(freedom, 1 - (1 - LEVEL) / (len(scores) - 1)))
    return gap > quantile * spread * math.sqrt(2 * (1 / done + test_share / (1 - test_share)))
