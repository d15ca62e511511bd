"""The training rows as the checks of the data look at them, and a simple learner of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raygen.data.spec import Modality

_FOLDS = 5
"""Of the simple learner's own cross-validation."""
_MOST_PIXELS = 16
"""Rows and columns of an image that are kept, each the mean of a block."""
_LARGEST = 1e38
"""Of a number, as trees take them."""
_MOST_TOKENS = 4096
"""Columns of a text: the tokens are counted by the remainder of their number."""

Split = Callable[[NDArray[Any], int], tuple[NDArray[Any], NDArray[Any]]]
"""The ``split`` of a program."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """The training rows of a run, or a sample of them."""

    x: NDArray[Any]
    """As the program's ``load_data`` gives them."""
    y: NDArray[Any]
    """A class number or a value each."""
    fold: NDArray[np.int64]
    """Which fold holds each row out; -1 for a row that none does."""
    modality: Modality
    regression: bool
    names: tuple[str, ...] = ()
    """Of the columns of a table."""
    num_categories: int = 0
    """The last so many columns of a table are categories."""

    def at(self, places: NDArray[Any]) -> Rows:
        """Some of them."""
        return replace(self, x=self.x[places], y=self.y[places], fold=self.fold[places])

    def sample(self, most: int) -> Rows:
        """At most so many of them, drawn at random."""
        if len(self.y) <= most:
            return self
        drawn = np.random.default_rng(0).permutation(len(self.y))[:most]
        return self.at(np.sort(drawn))

    @cached_property
    def features(self) -> Any:
        """One line of numbers a row, a sparse one of a text."""
        return {"table": _of_table, "image": _of_images, "text": _of_texts}[self.modality](self)

    @cached_property
    def deals(self) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Training and held-out rows of the simple learner's folds, with their share of each class.

        Classes with fewer rows than folds are in the training rows alone.
        """
        from sklearn.model_selection import KFold, StratifiedKFold  # a third of a second

        if len(self.y) < 2 * _FOLDS:
            return []
        if self.regression:
            return list(KFold(_FOLDS, shuffle=True, random_state=0).split(self.y))
        kept = np.flatnonzero(np.bincount(self.y)[self.y] >= _FOLDS)
        rare = np.setdiff1d(np.arange(len(self.y)), kept)
        if not len(kept):
            return []
        folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
        dealt = folds.split(kept, self.y[kept])
        return [(np.concatenate([kept[train], rare]), kept[held]) for train, held in dealt]

    @cached_property
    def predictions(self) -> NDArray[np.float64]:
        """What the simple learner says of each row when it is held out.

        A probability for each class, or a value; NaN for rows that are never held out.
        """
        width = () if self.regression else (int(self.y.max()) + 1,)
        found = np.full((len(self.y), *width), np.nan)
        for train, held in self.deals:
            found[held] = self.predict(train, held)
        return found

    def predict(self, train: NDArray[Any], held: NDArray[Any]) -> NDArray[np.float64]:
        """What the simple learner says of some rows after it was trained on others."""
        learner = _learner_of(self)
        learner.fit(self.features[train], self.y[train])
        if self.regression:
            values: NDArray[np.float64] = learner.predict(self.features[held])
            return values
        found = np.zeros((len(held), int(self.y.max()) + 1))
        found[:, learner.classes_] = learner.predict_proba(self.features[held])
        return found

    def errors(self, predictions: NDArray[np.float64], held: NDArray[Any]) -> NDArray[np.float64]:
        """How wrong each prediction is: 1 for a wrong class, or its share of the variance."""
        if self.regression:
            error: NDArray[np.float64] = (predictions - self.y[held]) ** 2 / np.var(self.y)
            return error
        return np.asarray(predictions.argmax(axis=1) != self.y[held], dtype=float)


def folds_of(split: Split, y: NDArray[Any], folds: int) -> NDArray[np.int64]:
    """Which fold holds each row out, by the program's own ``split``."""
    found = np.full(len(y), -1)
    for fold in range(folds):
        found[split(y, fold)[1]] = fold
    return found


def _learner_of(rows: Rows) -> Any:
    """A random forest, which needs no scaling and no tuning; of texts a naive Bayes classifier."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import Ridge
    from sklearn.naive_bayes import MultinomialNB

    if rows.modality == "text":
        return Ridge() if rows.regression else MultinomialNB(alpha=0.1)
    if rows.regression:
        return RandomForestRegressor(100, max_features=1 / 3, min_samples_leaf=2, random_state=0)
    return RandomForestClassifier(100, min_samples_leaf=2, random_state=0)


def _of_table(rows: Rows) -> NDArray[np.float64]:
    """Numbers as they are; categories, which are hashes, by the place of their value."""
    found: NDArray[np.float64] = np.clip(np.asarray(rows.x, dtype=float), -_LARGEST, _LARGEST)
    for place in range(found.shape[1] - rows.num_categories, found.shape[1]):
        known = ~np.isnan(found[:, place])
        found[known, place] = np.unique(found[known, place], return_inverse=True)[1]
    return found


def _of_images(rows: Rows) -> NDArray[Any]:
    """The means of blocks of pixels; some images at a time, for they may be large."""
    parts = np.array_split(rows.x, max(1, len(rows.x) // 100))
    found: NDArray[Any] = np.concatenate([_blocks(part) for part in parts])
    return found


def _blocks(images: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any] = np.asarray(images, dtype=np.float32)
    for axis in (1, 2):
        length = found.shape[axis]
        starts = np.arange(min(length, _MOST_PIXELS)) * length // min(length, _MOST_PIXELS)
        counts = np.diff([*starts, length])
        shape = [-1 if each == axis else 1 for each in range(found.ndim)]
        found = np.add.reduceat(found, starts, axis=axis) / counts.reshape(shape)
    return found.reshape(len(found), -1)


def _of_texts(rows: Rows) -> Any:
    """Which tokens a text has, as rows of length 1; 0 is padding."""
    from scipy import sparse
    from sklearn.preprocessing import normalize

    row, place = np.nonzero(rows.x)
    column = rows.x[row, place].astype(np.int64) % _MOST_TOKENS
    counts = sparse.csr_matrix(
        (np.ones(len(row)), (row, column)), shape=(len(rows.y), _MOST_TOKENS)
    )
    return normalize(counts.minimum(1))
