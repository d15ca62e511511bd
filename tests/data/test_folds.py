"""Tests of the folds that every ``model.py`` uses."""

from __future__ import annotations

import numpy as np
import pytest

from raygen.data.fragments import folds_repeated
from raygen.data.fragments.folds import FOLDS, deal, split


@pytest.fixture
def skewed() -> np.ndarray:
    """Class numbers of which one class is rare."""
    y = np.repeat([0, 1, 2], [900, 93, 7])
    return np.random.default_rng(1).permutation(y)


def test_folds_share_out_the_rows(skewed: np.ndarray) -> None:
    """Every row validates in exactly one fold, and trains in the others."""
    validated = []
    for fold in range(FOLDS):
        train, validation = split(skewed, fold)
        validated.append(validation)

        assert not set(train) & set(validation)
        assert len(train) + len(validation) == len(skewed)

    assert sorted(np.concatenate(validated)) == list(range(len(skewed)))


def test_rare_classes_are_in_every_part(skewed: np.ndarray) -> None:
    """Each part has its share of each class, to one row."""
    part = deal(skewed, 5)

    counts = np.array([np.bincount(skewed[part == i], minlength=3) for i in range(5)])

    assert counts.min() >= 1
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 1


def test_regression_targets_are_dealt_by_value() -> None:
    """Parts of a skewed regression target have nearly the same distribution."""
    y = np.random.default_rng(2).lognormal(size=1000)
    part = deal(y, 5)

    medians = [np.median(y[part == i]) for i in range(5)]

    assert max(medians) - min(medians) < 0.02


def test_without_fold_all_rows_train(skewed: np.ndarray) -> None:
    """The final training has all rows and no validation rows."""
    train, validation = split(skewed, None)

    assert len(skewed) == len(train)
    assert len(validation) == 0


def test_the_deal_depends_on_the_seed_only(skewed: np.ndarray) -> None:
    """The same seed deals the same parts; another seed deals others."""
    assert np.array_equal(deal(skewed, 5, seed=3), deal(skewed, 5, seed=3))
    assert not np.array_equal(deal(skewed, 5, seed=3), deal(skewed, 5, seed=4))


def test_the_deal_stays_as_it_is() -> None:
    """A new version of the code must not move rows between folds of finished runs."""
    assert deal(np.array([0, 0, 0, 0, 1, 1, 1, 1]), 3).tolist() == [2, 0, 0, 1, 1, 0, 2, 1]


def test_each_repeat_deals_all_rows_anew(skewed: np.ndarray) -> None:
    """As scikit-learn's RepeatedStratifiedKFold: each row validates once in each repeat."""
    folds = [folds_repeated.split(skewed, fold) for fold in range(folds_repeated.FOLDS)]
    first, second = folds[:5], folds[5:]

    for repeat in (first, second):
        assert sorted(np.concatenate([held_out for _, held_out in repeat])) == list(range(1000))
        assert all(np.bincount(skewed[held_out], minlength=3).min() for _, held_out in repeat)
    for train, held_out in folds:
        assert sorted([*train, *held_out]) == list(range(1000))
    assert not set(map(tuple, (held for _, held in first))) & {tuple(h) for _, h in second}
    assert np.array_equal(first[2][1], split(skewed, 2)[1])  # the first repeat is the plain deal
    assert [len(rows) for rows in folds_repeated.split(skewed, None)] == [1000, 0]
