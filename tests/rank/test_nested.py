"""What do the outer folds of a nested cross-validation come to?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from raygen.rank.nested import nested_json


def board(metric: str, mode: str, score: float, *entries: tuple[float, float]) -> dict[str, Any]:
    """Of an outer fold: its winner's score there, and each entry's fold 0 and mean."""
    told = [
        {"trial_id": f"{place:05d}", "folds": [first, mean], "mean": mean}
        for place, (first, mean) in enumerate(entries)
    ]
    return {"metric": metric, "mode": mode, "entries": told, "test": {metric: score}}


def test_each_fold_tells_how_it_was_flattered() -> None:
    """The search by its best, which need not have won; the ranking by its winner's mean."""
    boards = [
        board("accuracy", "max", 0.80, (0.84, 0.83), (0.90, 0.82)),
        board("accuracy", "max", 0.70, (0.81, 0.76)),
        board("accuracy", "max", 0.78, (0.80, 0.79), (0.79, 0.80)),
    ]

    found = nested_json(boards, by_folds=False)

    assert [fold["validation"] for fold in found["folds"]] == [0.90, 0.81, 0.80]
    assert [fold["ranked"] for fold in found["folds"]] == [0.83, 0.76, 0.79]
    assert found["mean"] == pytest.approx(0.76)
    assert found["optimism"]["mean"] == pytest.approx((0.10 + 0.11 + 0.02) / 3)
    assert found["ranked_optimism"]["mean"] == pytest.approx((0.03 + 0.06 + 0.01) / 3)


def test_the_interval_allows_for_the_overlap_of_outer_folds() -> None:
    """Nadeau and Bengio's: for three folds n_test / n_train is a half."""
    scores = [0.80, 0.70, 0.78]
    boards = [board("accuracy", "max", score, (0.9, 0.9)) for score in scores]

    low, high = nested_json(boards, by_folds=False)["interval"]

    error = np.std(scores, ddof=1) * np.sqrt(1 / 3 + 1 / 2)
    half = float(stats.t.ppf(0.975, 2)) * error
    assert (low, high) == pytest.approx((np.mean(scores) - half, np.mean(scores) + half))


def test_what_is_better_when_it_is_lower_flatters_downwards() -> None:
    """An error that a search shows too low is flattery above 0."""
    boards = [board("rmse", "min", 12.0, (10.0, 11.0), (9.0, 11.5)) for _ in range(2)]

    found = nested_json(boards, by_folds=False)

    assert found["folds"][0]["validation"] == 9.0
    assert found["optimism"]["mean"] == 3.0
    assert found["ranked_optimism"]["mean"] == 1.0


def test_a_search_by_all_folds_is_asked_for_its_best_mean() -> None:
    """It never chose by fold 0."""
    boards = [board("accuracy", "max", 0.8, (0.84, 0.83), (0.99, 0.85)) for _ in range(2)]

    found = nested_json(boards, by_folds=True)

    assert found["folds"][0]["validation"] == 0.85
