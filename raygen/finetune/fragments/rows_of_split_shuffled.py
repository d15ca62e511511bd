"""Which rows of a table are test rows, where a column "split" tells the training rows only?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from raygen.data.fragments.folds import deal

TARGET = "tags"
TRAIN_SPLIT = "train"


def cut_test_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the training rows from the test rows: a fifth of the rows of the training splits."""
    frame = frame.dropna(subset=[TARGET])
    frame = frame[frame["split"].isin(TRAIN_SPLIT.split("+"))]
    is_test = deal(np.zeros(len(frame)), 5, seed=0) == 0
    return frame[~is_test], frame[is_test]
