from __future__ import annotations

import math

import pytest

from raygen.report.texts import (
    count_text,
    differing_names,
    duration_text,
    mean_text,
    score_decimals,
    score_text,
    values_text,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (1234, "1.2k"), (99_960, "100k"), (3_400_000, "3.4M")],
)
def test_counts_are_short(count: int, text: str) -> None:
    """A count of parameters takes five characters at most and keeps its leading digits."""
    assert text == count_text(count)
    assert len(count_text(count)) <= 5


def test_a_thousand_thousands_is_a_million() -> None:
    """Rounding never gives 1000k."""
    assert count_text(999_999) == "1.0M"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (7260, "2 h 01 min"),
    ],
)
def test_times_have_two_units(seconds: float, text: str) -> None:
    """A time is told in the units that matter, and never as 60 seconds."""
    assert text == duration_text(seconds)


@pytest.mark.parametrize(
    ("score", "text"),
    [(0.9, "0.9000"), (0.97216, "0.9722"), (51.7391, "51.74"), (51739.1, "51739"), (0.0, "0")],
)
def test_scores_have_four_digits(score: float, text: str) -> None:
    """A score is rounded to the digits that tell something."""
    assert text == score_text(score)


def test_the_deviation_decides_on_the_decimals() -> None:
    """The largest standard deviation is shown with two digits, and the mean with as many."""
    decimals = score_decimals([0.0123, 0.0004, math.nan])

    assert decimals == 3
    assert mean_text(0.97216, 0.0123, decimals) == "0.972 ± 0.012"


def test_no_deviation_is_made_up() -> None:
    """Where there is no standard deviation none is shown."""
    assert mean_text(0.97216, math.nan, score_decimals([math.nan])) == "0.9722"


def test_only_what_differs_is_named() -> None:
    """Values that all candidates share are left out; a value that one lacks counts."""
    candidates = [{"units": 64, "rate": 0.1}, {"units": 64, "rate": 0.2, "momentum": 0.9}]

    assert differing_names(candidates) == ["rate", "momentum"]
    assert differing_names(candidates[:1]) == ["units", "rate"]


def test_values_are_one_short_line() -> None:
    """Words stand alone, numbers and the word none are named, and line ends are gone."""
    values = {"optimizer": "adamw", "augmentation": "none", "rate": 0.001234, "odd": "a\n b"}

    assert values_text(values, values) == "adamw, augmentation none, rate 0.00123, a b"
    assert values_text(values, ["absent"]) == ""
