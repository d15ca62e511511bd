"""Which rows of a table are test rows, where nothing tells?"""

from __future__ import annotations

import pandas as pd

from raygen.data.fragments.folds import deal
from raygen.data.fragments.target_class import read_target

TARGET = "label"


def cut_test_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the training rows from the test rows: a fifth, with its share of every target."""
    frame = frame.dropna(subset=[TARGET])
    is_test = deal(read_target(frame), 5, seed=0) == 0
    return frame[~is_test], frame[is_test]
