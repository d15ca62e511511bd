"""Which rows of a table are test rows, where a column tells folds and there are no classes?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from raygen.data.fragments.folds import deal

TARGET = "tags"
BY = "fold"


def cut_test_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part a fifth as test rows; the others are sorted by BY."""
    frame = frame.dropna(subset=[TARGET, BY])
    is_test = deal(np.zeros(len(frame)), 5, seed=0) == 0
    return frame[~is_test].sort_values(BY, kind="stable"), frame[is_test]
