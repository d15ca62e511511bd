"""Which rows train and which validate, where rows have no single class and are dealt anew?"""

from __future__ import annotations

import numpy as np

from raygen.data.fragments.folds import deal

SEED = 0
FOLDS = 10
REPEATS = 2


def split(y: np.ndarray, fold: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the training and the validation rows of a fold; without a fold, all rows train.

    There are FOLDS of them in all: each of REPEATS has its own deal.
    """
    parts = FOLDS // REPEATS
    if fold is None:
        return np.arange(len(y)), np.arange(0)
    part = deal(np.zeros(len(y)), parts, SEED + fold // parts)
    return np.flatnonzero(part != fold % parts), np.flatnonzero(part == fold % parts)
