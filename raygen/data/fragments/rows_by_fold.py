"""Which rows of a table are test rows, where a column tells the fold of the others?"""

from __future__ import annotations

import pandas as pd

from raygen.data.fragments.folds import deal
from raygen.data.fragments.target_class import read_target

TARGET = "label"
BY = "fold"


def cut_test_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part a fifth, with its share of every target, as test rows; the others are sorted by BY."""
    frame = frame.dropna(subset=[TARGET, BY])
    is_test = deal(read_target(frame), 5, seed=0) == 0
    return frame[~is_test].sort_values(BY, kind="stable"), frame[is_test]
