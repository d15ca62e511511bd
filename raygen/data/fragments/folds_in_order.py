"""Which rows train and which validate, where later rows are to be told from earlier ones?"""

from __future__ import annotations

import numpy as np

FOLDS = 5


def split(y: np.ndarray, fold: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows before a fold's stretch, and that stretch; without a fold, all rows train."""
    rows = np.arange(len(y))
    if fold is None:
        return rows, rows[:0]
    length = len(y) // (FOLDS + 1)
    start = len(y) - (FOLDS - fold) * length
    return rows[:start], rows[start : start + length]
