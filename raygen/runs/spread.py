"""How far do repeats of one candidate lie apart, and how sure is their mean?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

_LEVEL = 0.95


def sample_std(scores: Sequence[float]) -> float | None:
    """The standard deviation with n - 1 in the denominator; None of a single score."""
    return statistics.stdev(scores) if len(scores) > 1 else None


def half_width(scores: Sequence[float]) -> float | None:
    """Half of the interval where the mean of ever more repeats lies, with 95 % confidence.

    Student's t: t(n - 1, 0.975) std / sqrt(n), as for scores from a normal distribution; None of
    a single score.
    """
    std, count = sample_std(scores), len(scores)
    if std is None:
        return None
    from scipy.special import stdtrit  # takes a while, and most runs repeat nothing

    return float(stdtrit(count - 1, (1 + _LEVEL) / 2)) * std / math.sqrt(count)
