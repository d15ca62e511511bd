"""Which rows of a table are test rows, where nothing tells and there are no classes?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from raygen.data.fragments.folds import deal

TARGET = "tags"


def cut_test_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the training rows from the test rows: a fifth."""
    frame = frame.dropna(subset=[TARGET])
    is_test = deal(np.zeros(len(frame)), 5, seed=0) == 0
    return frame[~is_test], frame[is_test]
