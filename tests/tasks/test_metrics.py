from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn

from raygen.tasks.fragments import metrics

Data = tuple[np.ndarray, np.ndarray]


def classes(num_classes: int, *, rows: int = 200, ties: bool = False, seed: int = 0) -> Data:
    """Skewed class numbers and probabilities that know a little about them."""
    rng = np.random.default_rng(seed)
    shares = np.arange(1, num_classes + 1) / sum(range(1, num_classes + 1))
    y = rng.choice(num_classes, rows, p=shares)
    logits = rng.normal(size=(rows, num_classes)) + np.eye(num_classes)[y]
    if ties:
        logits = np.round(logits)
    p = np.exp(logits)
    return y, p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_metrics_of_the_likeliest_class(num_classes: int) -> None:
    """Accuracy, balanced accuracy and macro F1 are scikit-learn's."""
    y, p = classes(num_classes)
    guess = p.argmax(axis=1)

    assert metrics.accuracy(y, p) == sklearn.accuracy_score(y, guess)
    assert metrics.balanced_accuracy(y, p) == pytest.approx(
        sklearn.balanced_accuracy_score(y, guess), abs=1e-12
    )
    assert metrics.macro_f1(y, p) == pytest.approx(
        sklearn.f1_score(y, guess, average="macro"), abs=1e-12
    )


@pytest.mark.parametrize("ties", [False, True])
def test_area_under_the_curve_of_two_classes(ties: bool) -> None:
    """It is scikit-learn's, also where rows share a score."""
    y, p = classes(2, ties=ties)

    assert metrics.auc(y, p) == pytest.approx(sklearn.roc_auc_score(y, p[:, 1]), abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_area_under_the_curve_of_many_classes(ties: bool) -> None:
    """Each class against the rest, all classes alike."""
    y, p = classes(5, ties=ties)

    expected = sklearn.roc_auc_score(y, p, multi_class="ovr", average="macro")

    assert metrics.auc(y, p) == pytest.approx(expected, abs=1e-12)


def test_log_loss() -> None:
    """It is scikit-learn's, and finite for a certain mistake."""
    y, p = classes(4)

    assert metrics.log_loss(y, p) == pytest.approx(sklearn.log_loss(y, p, labels=range(4)))
    assert np.isfinite(metrics.log_loss(np.array([0]), np.array([[0.0, 1.0]])))


def test_classes_that_are_missing_spoil_nothing() -> None:
    """A small fold may lack a class, and a network may never guess one."""
    y, p = np.array([0, 0, 2, 2]), np.eye(4)[[0, 3, 2, 3]]

    for score in (metrics.accuracy, metrics.balanced_accuracy, metrics.macro_f1, metrics.auc):
        assert 0 <= score(y, p) <= 1
    assert metrics.macro_f1(y, p) == pytest.approx(
        sklearn.f1_score(y, p.argmax(axis=1), average="macro")
    )


def test_metrics_of_values() -> None:
    """R2, RMSE and MAE are scikit-learn's."""
    rng = np.random.default_rng(0)
    y = rng.normal(50, 10, 300)
    p = y + rng.normal(0, 4, 300)

    assert metrics.r2(y, p) == pytest.approx(sklearn.r2_score(y, p), abs=1e-12)
    assert metrics.rmse(y, p) == pytest.approx(sklearn.root_mean_squared_error(y, p), abs=1e-12)
    assert metrics.mae(y, p) == pytest.approx(sklearn.mean_absolute_error(y, p), abs=1e-12)


def test_every_metric_is_a_plain_number() -> None:
    """What is reported must pass through JSON as it is."""
    y, p = classes(3)
    values = [metrics.accuracy, metrics.balanced_accuracy, metrics.macro_f1, metrics.auc]

    assert {type(score(y, p)) for score in [*values, metrics.log_loss]} == {float}
    assert {type(score(y, y + 0.5)) for score in (metrics.r2, metrics.rmse, metrics.mae)} == {float}
