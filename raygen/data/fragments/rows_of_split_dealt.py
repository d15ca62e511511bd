"""Which rows of a table are test rows, where a column "split" names none?"""

from __future__ import annotations

import pandas as pd

from raygen.data.fragments.folds import deal
from raygen.data.fragments.target_class import read_target

TARGET = "label"
TRAIN_SPLIT = "train"


def cut_test_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part TRAIN_SPLIT's rows: a fifth are test rows, with their share of every target."""
    frame = frame[frame["split"].isin(TRAIN_SPLIT.split("+"))].dropna(subset=[TARGET])
    is_test = deal(read_target(frame), 5, seed=0) == 0
    return frame[~is_test], frame[is_test]
