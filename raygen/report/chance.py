"""How likely is what was seen, if it had nothing to do with what it is put down to?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def hypergeometric_tail(hits: int, total: int, marked: int, draws: int) -> float:
    """How likely at least so many marked ones are among draws without putting back."""
    log = _log_factorials(total)
    k = np.arange(max(hits, draws + marked - total), min(marked, draws) + 1)
    ways = log[marked] - log[k] - log[marked - k]
    ways = ways + log[total - marked] - log[draws - k] - log[total - marked - draws + k]
    return float(np.exp(ways - log[total] + log[draws] + log[total - draws]).sum())


def binomial_tail(hits: int, draws: int, chance: float) -> float:
    """How likely at least so many hits are in draws that hit with a chance between 0 and 1."""
    log = _log_factorials(draws)
    k = np.arange(hits, draws + 1)
    ways = log[draws] - log[k] - log[draws - k]
    return float(np.exp(ways + k * np.log(chance) + (draws - k) * np.log1p(-chance)).sum())


def rank_sum_tail(better: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """How likely one group's numbers lie at least so far above another's.

    Mann and Whitney (1947), with their normal approximation; equal numbers count as half.
    """
    sizes = len(better) * len(others)
    if not sizes:
        return 1.0
    wins = (better[:, None] > others).sum() + 0.5 * (better[:, None] == others).sum()
    spread = math.sqrt(sizes * (len(better) + len(others) + 1) / 12)
    return 0.5 * math.erfc((float(wins) - sizes / 2) / spread / math.sqrt(2))


def _log_factorials(most: int) -> NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most + 1)))])
