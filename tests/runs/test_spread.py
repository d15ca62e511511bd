"""What is said of a few repeats."""

from __future__ import annotations

import pytest

from raygen.runs.spread import half_width, sample_std


def test_the_interval_is_that_of_students_t() -> None:
    """For 1, 2, 3 the deviation is 1 and t(2, 0.975) is 4.3027, from any table."""
    assert sample_std([1.0, 2.0, 3.0]) == pytest.approx(1.0)
    assert half_width([1.0, 2.0, 3.0]) == pytest.approx(4.302653 / 3**0.5)


def test_of_a_single_score_nothing_is_said() -> None:
    """One score has no spread."""
    assert sample_std([0.5]) is None
    assert half_width([0.5]) is None
