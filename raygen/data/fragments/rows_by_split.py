"""Which rows of a table are test rows, where a column "split" tells?"""

from __future__ import annotations

import pandas as pd

TARGET = "label"
TRAIN_SPLIT = "train+dev"
TEST_SPLIT = "test"


def cut_test_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the training rows from the test rows; rows of other splits are left out."""
    frame = frame.dropna(subset=[TARGET])
    is_train = frame["split"].isin(TRAIN_SPLIT.split("+"))
    return frame[is_train], frame[frame["split"] == TEST_SPLIT]
