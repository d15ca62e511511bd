"""Which rows train and which validate, where the loader has put those of each fold together?"""

from __future__ import annotations

import numpy as np

FOLDS = 3
FOLD_ROWS = (20, 20, 19)


def split(y: np.ndarray, fold: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the training and the validation rows of a fold; without a fold, all rows train."""
    part = np.repeat(np.arange(FOLDS), FOLD_ROWS)
    return np.flatnonzero(part != fold), np.flatnonzero(part == fold)
