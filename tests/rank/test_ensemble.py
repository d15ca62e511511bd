from __future__ import annotations

import numpy as np
import pytest

from raygen.rank.ensemble import ensemble_of, select
from raygen.rank.out_of_fold import Predictions
from raygen.tasks.fragments.metrics import rmse


def predicted(values: np.ndarray) -> Predictions:
    """Of rows in three folds."""
    count = len(values)
    return Predictions(np.arange(count), values, np.arange(count) % 3)


def noisy(count: int, *spreads: float) -> tuple[np.ndarray, dict[str, Predictions]]:
    """Targets, and candidates with errors of their own."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=count)
    errors = [rng.normal(0, spread, count) for spread in spreads]
    return y, {str(place): predicted(y + error) for place, error in enumerate(errors)}


def test_errors_that_differ_fall_out() -> None:
    """Three equally good ones are together better by about the root of three."""
    y, found = noisy(3000, 0.3, 0.3, 0.3)

    told = ensemble_of(found, y, "rmse")

    assert told is not None
    assert told["mean"] == pytest.approx(0.3 / 3**0.5, abs=0.01)
    assert set(told["members"]) == {"0", "1", "2"}
    assert len(told["folds"]) == 3


def test_one_that_is_far_worse_stays_out() -> None:
    """The better one is alone."""
    y, found = noisy(3000, 0.1, 5.0)

    told = ensemble_of(found, y, "rmse")

    assert told is not None
    assert set(told["members"]) == {"0"}
    assert told["mean"] == pytest.approx(0.1, abs=0.01)


def test_what_chance_favours_on_a_fold_scores_nothing_there() -> None:
    """Members that score a fold are chosen on the others: guesses stay guesses."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    found = {str(k): predicted(rng.dirichlet([1, 1], 60)) for k in range(40)}
    values = np.stack([each.values for each in found.values()])

    told = ensemble_of(found, y, "accuracy")
    chosen = select(values, y, lambda truth, p: float(np.mean(p.argmax(axis=1) == truth)))

    assert told is not None
    assert np.mean(values[chosen].mean(axis=0).argmax(axis=1) == y) > 0.75
    assert told["mean"] < 0.7


def test_selection_is_greedy_with_replacement() -> None:
    """By hand: the targets lie at a third of the way, so one is counted twice."""
    values = np.array([[0.0, 0.0], [3.0, 3.0]])

    assert select(values, np.array([1.0, 1.0]), lambda y, p: -rmse(y, p)) == [0, 1, 0]


def test_alone_there_is_no_ensemble() -> None:
    """Nor for a metric that is no plain function of predictions."""
    y, found = noisy(30, 0.1, 0.2)

    assert ensemble_of({"0": found["0"]}, y, "rmse") is None
    assert ensemble_of(found, y, "rouge") is None


def test_the_members_that_are_written_have_scores_of_their_own() -> None:
    """Chosen on all rows, they flatter: the honest mean is that of members chosen elsewhere."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    found = {str(k): predicted(rng.dirichlet([1, 1], 60)) for k in range(40)}

    told = ensemble_of(found, y, "accuracy")

    assert told is not None
    counts = np.array([told["members"].get(name, 0) for name in found])
    values = np.stack([each.values for each in found.values()])
    together = np.average(values, axis=0, weights=counts).argmax(axis=1)
    folds = [float(np.mean((together == y)[np.arange(60) % 3 == fold])) for fold in range(3)]
    assert told["as_written"]["folds"] == pytest.approx(folds)
    assert told["as_written"]["mean"] > told["mean"] + 0.05
