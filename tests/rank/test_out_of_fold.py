from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raygen.execute.held_out import HeldOut
from raygen.rank.diagnosis import Diagnosis
from raygen.rank.out_of_fold import (
    Predictions,
    calibration,
    describe,
    never_predicted,
    read_predictions,
)
from raygen.runs.paths import TrialPaths

LABELS = ("cat", "dog", "emu")


def sure_of(guess: list[int], probability: float = 0.8) -> np.ndarray:
    """Probabilities of three classes, the guessed one the likeliest."""
    p = np.full((len(guess), 3), (1 - probability) / 2)
    p[np.arange(len(guess)), guess] = probability
    return p


def of_one_fold(values: np.ndarray) -> Predictions:
    """Predictions of the first rows."""
    return Predictions(np.arange(len(values)), values, np.zeros(len(values), dtype=int))


def kept(trial: TrialPaths, fold: int, rows: list[int], predictions: np.ndarray) -> None:
    """Keep what a program predicted of a fold."""
    program = HeldOut(lambda inputs, _: predictions, lambda: np.array(rows))
    program("inputs", {})
    trial.folder.mkdir(exist_ok=True)
    program.save(trial.out_of_fold(fold))


def test_predictions_of_folds_are_put_together_by_their_rows(tmp_path: Path) -> None:
    """In the order of the rows; nothing is said while a fold is missing."""
    trial = TrialPaths(tmp_path / "a")
    kept(trial, 0, [1, 3], sure_of([0, 1]))
    assert read_predictions(trial, 2) is None

    kept(trial, 1, [0, 2], sure_of([2, 2]))
    found = read_predictions(trial, 2)

    assert found is not None
    assert found.rows.tolist() == [0, 1, 2, 3]
    assert found.fold.tolist() == [1, 0, 1, 0]
    assert found.values.argmax(axis=1).tolist() == [2, 0, 2, 1]


@pytest.mark.parametrize(
    "predictions",
    [np.array(["a", "b"]), np.zeros((2, 3, 4)), np.zeros(3), [0.1, 0.2], np.array([1, 2])],
    ids=["texts", "tensors", "too many", "no array", "tags"],
)
def test_only_numbers_of_rows_are_kept(tmp_path: Path, predictions: np.ndarray) -> None:
    """What some fine-tunings predict has other shapes, and leaves no file."""
    trial = TrialPaths(tmp_path / "a")
    kept(trial, 0, [0, 1], predictions)

    assert not trial.out_of_fold(0).exists()


def test_classes_are_told_with_their_scores_and_mix_ups() -> None:
    """By hand: two of three cats found, a dog taken for a cat, no emu."""
    y = np.array([0, 0, 0, 1, 1, 2])
    told = describe(of_one_fold(sure_of([0, 0, 1, 1, 0, 1])), y, LABELS)

    cat, dog, emu = told["classes"]
    assert cat == {
        "label": "cat",
        "precision": pytest.approx(2 / 3, abs=1e-5),
        "recall": pytest.approx(2 / 3, abs=1e-5),
        "f1": pytest.approx(2 / 3, abs=1e-5),
        "support": 3,
        "predicted": 3,
        "auc": pytest.approx(6 / 9, abs=1e-5),
        "average_precision": pytest.approx(11 / 18, abs=1e-5),
    }
    assert dog["precision"] == pytest.approx(1 / 3, abs=1e-5)
    assert told["confusion"] == [[2, 1, 0], [1, 1, 0], [0, 1, 0]]
    assert told["micro"]["f1"] == pytest.approx(0.5)
    assert told["macro"]["f1"] == pytest.approx((cat["f1"] + dog["f1"]) / 3, abs=1e-5)
    assert told["weighted"]["recall"] == pytest.approx(0.5)
    assert (emu["support"], emu["predicted"], emu["f1"]) == (1, 0, 0.0)
    assert never_predicted(told) == Diagnosis(
        "classes never predicted", "1 of 3 classes: emu (1 rows)"
    )


def test_all_classes_predicted_is_nothing_to_say() -> None:
    """Nor is a class without rows."""
    told = describe(of_one_fold(sure_of([0, 1])), np.array([0, 1]), LABELS)

    assert never_predicted(told) is None


def test_a_large_matrix_is_left_out() -> None:
    """Hundreds of classes would fill the leaderboard."""
    p = np.eye(40)
    told = describe(of_one_fold(p), np.arange(40))

    assert told["confusion"] is None
    assert len(told["classes"]) == 40


def test_the_calibration_error_is_that_of_the_formula() -> None:
    """Half of the rows at 0.9 are right, all of those at 0.6: (2 x 0.4 + 2 x 0.4) / 4."""
    found = calibration(np.array([True, False, True, True]), np.array([0.9, 0.9, 0.6, 0.6]))

    assert found["ece"] == pytest.approx(0.4)
    assert found["bins"] == [
        {"confidence": 0.6, "accuracy": 1.0, "rows": 2},
        {"confidence": 0.9, "accuracy": 0.5, "rows": 2},
    ]


def test_certain_and_right_is_calibrated() -> None:
    """Probabilities of 1 are in the last bin."""
    assert calibration(np.array([True]), np.array([1.0]))["ece"] == 0.0


def test_values_are_told_by_their_residuals() -> None:
    """Target less prediction; the row that is farthest off is named."""
    y = np.arange(20.0)
    told = describe(of_one_fold(y + np.where(y == 7, 5.0, -1.0)), y)

    assert told["residuals"]["mean"] == pytest.approx(0.7)
    assert told["residuals"]["quantiles"][2] == 1.0
    assert told["residuals"]["worst_row"] == 7
    assert len(told["by_prediction"]) == 10
    assert never_predicted(told) is None


def test_predictions_must_fit_the_targets() -> None:
    """A preference has no class; probabilities do not go with values."""
    classes = of_one_fold(sure_of([0, 1]))

    assert classes.fits(np.array([0, 1]))
    assert not classes.fits(np.array([0.5, 1.5]))
    assert not classes.fits(np.zeros((2, 3), dtype=int))
