from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import board_of, entry
from PIL import Image
from searched import made_space, noise, searched

from raygen.errors import RunError
from raygen.interchange.tables import curve_table
from raygen.rank.out_of_fold import Predictions, describe
from raygen.report.plots import draw_search, refusals, search_data
from raygen.report.view import view_of

PICTURES = ("confusion", "calibration", "roc", "precision-recall", "residuals")


def predicted(values: np.ndarray) -> Predictions:
    """Predictions of the first rows."""
    return Predictions(np.arange(len(values)), values, np.zeros(len(values), dtype=int))


def told_of_classes(count: int, rows: int = 400) -> dict[str, Any]:
    """Predictions of so many classes, some of them wrong."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, count, rows)
    p = rng.dirichlet(np.ones(count), rows) + 0.8 * np.eye(count)[y]
    labels = [f"$\\frac$ class {place}" for place in range(count)]
    return describe(predicted(p / p.sum(axis=1, keepdims=True)), y, labels, with_curves=True)


def told_of_values(rows: int = 400) -> dict[str, Any]:
    """Predictions of a value."""
    rng = np.random.default_rng(0)
    y = rng.normal(0, 1, rows)
    return describe(predicted(y + rng.normal(0, 0.3, rows)), y)


def board_with(held_out: dict[str, Any]) -> dict[str, Any]:
    """A leaderboard of one whose predictions are kept."""
    return board_of(entry(1, "00000", [0.5, 0.6]) | {"held_out": held_out})


@pytest.mark.parametrize(
    ("held_out", "expected"),
    [
        (told_of_classes(2), ["confusion", "calibration", "roc", "precision-recall"]),
        (told_of_classes(30), ["confusion", "calibration", "roc", "precision-recall"]),
        (told_of_classes(31), ["calibration", "roc", "precision-recall"]),
        (told_of_classes(3, rows=1), ["confusion", "calibration"]),
        (told_of_values(), ["residuals"]),
        (told_of_values(rows=3), ["residuals"]),
    ],
    ids=["two classes", "thirty", "too many", "one row", "values", "few values"],
)
def test_predictions_have_their_pictures(
    held_out: dict[str, Any], expected: list[str], tmp_path: Path
) -> None:
    """Of classes the mix-ups and the calibration, of values the residuals."""
    board = board_with(held_out)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = draw_search(searched(3, noise), made_space(), tmp_path, board=board)

    named = [path for path in written if path.stem in PICTURES]
    assert [path.stem for path in named] == expected
    for path in named:
        with Image.open(path) as image:
            assert np.asarray(image.convert("L")).std() > 5


def test_without_predictions_there_is_a_reason() -> None:
    """Of a board whose predictions are not kept."""
    board = board_of(entry(1, "00000", [0.5, 0.6]))

    assert set(PICTURES) <= set(refusals(view_of(searched(3, noise), made_space(), board=board)))


def test_the_numbers_are_those_of_the_first() -> None:
    """With the trial that they are of."""
    held_out = told_of_classes(3)

    data = search_data(searched(3, noise), made_space(), board=board_with(held_out))

    assert data["confusion"]["confusion"] == held_out["confusion"]
    assert data["calibration"]["ece"] == held_out["calibration"]["ece"]
    assert data["calibration"]["trial_id"] == "00000"
    assert "refused" in data["residuals"]
    assert data["roc"]["auc"] == held_out["macro"]["auc"]
    assert data["precision-recall"]["classes"][2]["label"] == held_out["classes"][2]["label"]


def test_curves_are_exported() -> None:
    """A row for each point of each class, and of their mean."""
    board, told = board_with(told_of_classes(3)), told_of_classes(3)["curves"]

    rows = curve_table(board, "roc")
    steps = curve_table(board, "precision-recall")

    assert [row["class"] for row in rows].count("mean") == len(told["roc"])
    last = {"class": told["classes"][2]["label"], "recall": 1.0}
    assert steps[-1] == last | {"precision": told["classes"][2]["precision_recall"][-1][1]}
    assert rows[0] == {"class": "mean", "false_positive_rate": 0.0, "true_positive_rate": 0.0}
    with pytest.raises(RunError, match="there are no curves of held-out rows; they need"):
        curve_table(board_with(told_of_values()), "roc")
