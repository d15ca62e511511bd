from __future__ import annotations

import math

import numpy as np
import pytest

from raygen.report.chance import binomial_tail, hypergeometric_tail, rank_sum_tail


@pytest.mark.parametrize(("hits", "draws", "chance"), [(0, 5, 0.1), (4, 5, 0.1), (30, 300, 0.1)])
def test_a_binomial_tail_is_its_sum(hits: int, draws: int, chance: float) -> None:
    """It is the sum over all counts that are at least as large."""
    exact = sum(
        math.comb(draws, k) * chance**k * (1 - chance) ** (draws - k)
        for k in range(hits, draws + 1)
    )

    assert exact == pytest.approx(binomial_tail(hits, draws, chance), rel=1e-9)


@pytest.mark.parametrize(
    ("hits", "total", "marked", "draws"),
    [(0, 9, 4, 3), (3, 9, 4, 3), (20, 200, 30, 40), (2, 5, 4, 3)],
)
def test_a_hypergeometric_tail_is_its_sum(hits: int, total: int, marked: int, draws: int) -> None:
    """It is the share of draws with at least as many marked ones."""
    ways = sum(
        math.comb(marked, k) * math.comb(total - marked, draws - k)
        for k in range(hits, min(marked, draws) + 1)
    )

    assert ways / math.comb(total, draws) == pytest.approx(
        hypergeometric_tail(hits, total, marked, draws), rel=1e-9
    )


def test_thousands_of_draws_do_not_overflow() -> None:
    """Large searches have counts that no float holds."""
    assert 0 < binomial_tail(4000, 30_000, 0.1) < 1e-50
    assert hypergeometric_tail(900, 30_000, 1000, 1000) < 1e-300


def test_a_rank_sum_tells_groups_apart() -> None:
    """Equal groups are a toss of a coin, a better one is unlikely, a worse one is not."""
    low, high = np.arange(10.0), np.arange(8.0, 18.0)

    assert rank_sum_tail(low, low) == pytest.approx(0.5)
    assert rank_sum_tail(high, low) < 0.001
    assert rank_sum_tail(low, high) > 0.999
    assert rank_sum_tail(low[:0], high) == 1
