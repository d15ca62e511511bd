"""Which rows train and which validate, where a window slides over the rows in their order?"""

from __future__ import annotations

import numpy as np

FOLDS = 5
WINDOW = 100
GAP = 7


def split(y: np.ndarray, fold: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows up to GAP rows before a fold's stretch, and that stretch.

    Of these rows the last WINDOW train, or all if it is 0; without a fold, the last of all rows.
    """
    rows = np.arange(len(y))
    length = len(y) // (FOLDS + 1)
    start = len(y) - (FOLDS - fold) * length if fold is not None else len(y) + GAP
    end = start - GAP
    return rows[max(end - WINDOW, 0) if WINDOW else 0 : end], rows[start : start + length]
