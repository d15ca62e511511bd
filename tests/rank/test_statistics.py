"""Tests of the statistics by their papers, by baycomp, by scipy, and by drawing at random."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from raygen.rank.statistics import (
    friedman_nemenyi,
    mean_interval,
    posterior_of,
    residual_spread,
    standard_error,
)

_X = [0.91, 0.93, 0.90, 0.95, 0.92, 0.94, 0.89, 0.96, 0.93, 0.92]
_Y = [0.90, 0.90, 0.91, 0.93, 0.90, 0.93, 0.90, 0.92, 0.92, 0.91]
_DIFFERENCES = np.array(_Y) - np.array(_X)


@pytest.mark.parametrize(
    ("test_share", "rope", "expected"),
    [
        (1 / 10, 0.0, (0.9477668313215066, 0.0, 0.05223316867849337)),
        (1 / 10, 0.01, (0.6566586833066845, 0.3378772930682823, 0.005464023625033176)),
        (1 / 5, 0.0, (0.9028154240999091, 0.0, 0.09718457590009089)),
        (1 / 5, 0.01, (0.623184149681824, 0.3593475295175359, 0.01746832080064009)),
    ],
)
def test_the_posterior_is_that_of_baycomp(
    test_share: float, rope: float, expected: tuple[float, float, float]
) -> None:
    """The numbers are those of baycomp 1.0.3: CorrelatedTTest.probs(x, y, rope, runs=1 and 2)."""
    posterior = posterior_of(_DIFFERENCES, test_share=test_share)

    assert posterior is not None
    assert posterior.split(rope) == pytest.approx(expected, abs=1e-9)


def test_the_standard_error_is_that_of_nadeau_and_bengio() -> None:
    """Ten folds of a tenth each: the variance is 1/10 + 1/9 of that of a fold."""
    assert standard_error(3.0, 10, 1 / 10) == pytest.approx(3.0 * math.sqrt(1 / 10 + 1 / 9))
    assert standard_error(3.0, 4, 0.0) == pytest.approx(1.5)


def test_without_overlap_the_interval_is_students() -> None:
    """For independent scores it is that of scipy."""
    expected = stats.t.interval(0.95, len(_X) - 1, np.mean(_X), stats.sem(_X))

    assert mean_interval(_X, test_share=0.0) == pytest.approx(expected, rel=1e-9)
    assert mean_interval(_X[:1], test_share=0.0) is None


def test_the_interval_covers_what_it_says_over_correlated_folds() -> None:
    """19 of 20 hold the true mean; the plain ones do not by far."""
    rng = np.random.default_rng(0)
    shared = math.sqrt(0.2) * rng.normal(size=(20_000, 1))
    scores = 0.9 + 0.01 * (shared + math.sqrt(0.8) * rng.normal(size=(20_000, 5)))

    def covered(test_share: float) -> float:
        found = [mean_interval(each, test_share=test_share) or (1, 0) for each in scores]
        return float(np.mean([low <= 0.9 <= high for low, high in found]))

    assert covered(1 / 5) == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 20_000))
    assert covered(0.0) < 0.87


def test_equal_folds_leave_no_doubt() -> None:
    """A difference without any spread has a sure sign; none at all is a tie."""
    same = posterior_of([0.1, 0.1, 0.1], test_share=0.2)
    zero = posterior_of([0.0, 0.0, 0.0], test_share=0.2)

    assert same is not None
    assert zero is not None
    assert same.split(0.0) == (0.0, 0.0, 1.0)
    assert same.split(0.5) == (0.0, 1.0, 0.0)
    assert zero.split(0.0) == (0.5, 0.0, 0.5)
    assert zero.interval() == (0.0, 0.0)


def test_the_residual_spread_is_that_of_the_two_way_layout() -> None:
    """With two candidates it is the deviation of their differences over the root of two."""
    scores = np.array([_X, _Y])
    spread, freedom = residual_spread(scores)

    assert (spread, freedom) == (
        pytest.approx(np.std(scores[0] - scores[1], ddof=1) / math.sqrt(2)),
        9,
    )


@pytest.mark.parametrize(
    ("candidates", "quantile"),
    list(zip(range(3, 11), (2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164), strict=True)),
)
def test_the_critical_difference_is_that_of_demsar(candidates: int, quantile: float) -> None:
    """His table 5(a), and for four candidates on 14 data sets his 1.25."""
    scores = np.random.default_rng(0).normal(size=(candidates, 14))
    expected = quantile * math.sqrt(candidates * (candidates + 1) / (6 * 14))

    assert friedman_nemenyi(scores).critical_difference == pytest.approx(expected, abs=2e-3)


def test_friedman_is_the_textbooks_where_there_are_no_ties() -> None:
    """12 N / (k (k + 1)) (sum of squared mean ranks - k (k + 1)^2 / 4), chi-square with k - 1."""
    scores = np.random.default_rng(3).normal([[0.0], [0.5], [1.0], [0.2]], 1.0, size=(4, 14))
    found = friedman_nemenyi(scores)
    ranks = (-scores).argsort(axis=0).argsort(axis=0) + 1
    expected = 12 * 14 / 20 * (float((ranks.mean(axis=1) ** 2).sum()) - 4 * 25 / 4)

    assert found.mean_ranks == pytest.approx(tuple(ranks.mean(axis=1)))
    assert found.statistic == pytest.approx(expected, rel=1e-9)
    assert found.p == pytest.approx(stats.chi2.sf(expected, 3), rel=1e-9)


def test_candidates_that_never_differ_are_not_told_apart() -> None:
    """Friedman's statistic has no value then; it counts as none."""
    found = friedman_nemenyi(np.ones((3, 4)))

    assert (found.statistic, found.p, found.mean_ranks) == (0.0, 1.0, (2.0, 2.0, 2.0))
