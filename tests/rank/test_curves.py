"""Curves of held-out rows: their areas are those of scikit-learn, their points few."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, roc_auc_score

from raygen.rank.curves import curves_json, curves_of
from raygen.rank.out_of_fold import Predictions, describe


def made(count: int, rows: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Rows of so many classes and probabilities that say something of them; some are equal."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, count, rows)
    p = rng.dirichlet(np.ones(count), rows) + 0.7 * np.eye(count)[y]
    p = np.round(p / p.sum(axis=1, keepdims=True), 3)
    return y, p / p.sum(axis=1, keepdims=True)


def area_of_steps(points: list[list[float]]) -> float:
    """The area below steps that reach their value from the left."""
    x, y = np.array(points).T
    return float((np.diff(x) * y[1:]).sum())


@pytest.mark.parametrize("count", [2, 3, 10])
def test_areas_are_those_of_scikit_learn(count: int) -> None:
    """One against all others, of two classes the second; the mean counts classes alike."""
    y, p = made(count)
    told = curves_json(curves_of(y, p, range(count)))

    scores = p[:, 1] if count == 2 else p
    is_it = np.eye(count)[y]
    area = roc_auc_score(y, scores, multi_class="ovr", average="macro")
    precision = average_precision_score(is_it[:, 1] if count == 2 else is_it, scores)
    assert told["auc"] == pytest.approx(area, abs=1e-5)
    assert told["average_precision"] == pytest.approx(precision, abs=1e-5)
    assert len(told["classes"]) == (1 if count == 2 else count)


@pytest.mark.parametrize("count", [2, 10])
def test_the_points_have_the_areas_that_are_told(count: int) -> None:
    """Those of each class and those of the mean, though most of the points are left out."""
    y, p = made(count)
    told = curves_json(curves_of(y, p, range(count)))

    for each in (told, *told["classes"]):
        x, found = np.array(each["roc"]).T
        assert auc(x, found) == pytest.approx(each["auc"], abs=0.005)
        area = area_of_steps(each["precision_recall"])
        assert area == pytest.approx(each["average_precision"], abs=0.01)
        assert max(len(each["roc"]), len(each["precision_recall"])) <= 103
        assert each["roc"][0] == [0.0, 0.0]
        assert each["roc"][-1] == [1.0, 1.0]
        assert [each["precision_recall"][end][0] for end in (0, -1)] == [0.0, 1.0]


def test_steps_of_few_rows_are_exact() -> None:
    """Of the classic example of four rows: AUC 0.75, average precision 0.83."""
    y, p = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])
    told = curves_json(curves_of(y, np.stack([1 - p, p], axis=1), ["no", "yes"]))

    [one] = told["classes"]
    assert one["label"] == "yes"
    assert one["precision_recall"] == [[0.0, 1.0], [0.5, 1.0], [1.0, 0.6667]]
    assert (one["auc"], one["average_precision"]) == (0.75, pytest.approx(5 / 6, abs=1e-6))


def test_a_class_without_rows_has_no_curve() -> None:
    """Nor has a class of which all rows are; the mean is that of the others."""
    y, p = made(3)
    kept = y != 2
    told = describe(predicted(p[kept]), y[kept], ["a", "b", "c"], with_curves=True)
    none = describe(predicted(p[y == 1]), y[y == 1], ["a", "b", "c"], with_curves=True)

    assert [each["label"] for each in told["curves"]["classes"]] == ["a", "b"]
    assert "auc" not in told["classes"][2]
    assert told["macro"]["auc"] == pytest.approx(
        np.mean([each["auc"] for each in told["classes"][:2]]), abs=1e-5
    )
    assert "curves" not in none
    assert "auc" not in none["macro"]


def test_many_classes_have_one_curve() -> None:
    """The mean; that of each class would make the leaderboard large."""
    y, p = made(40)
    told = describe(predicted(p), y, range(40), with_curves=True)

    assert told["curves"]["classes"] == []
    assert len(told["curves"]["roc"]) > 50
    assert all("auc" in each for each in told["classes"])
    assert "curves" not in describe(predicted(p), y, range(40))


def predicted(values: np.ndarray) -> Any:
    """Predictions of the first rows."""
    return Predictions(np.arange(len(values)), values, np.zeros(len(values), dtype=int))
