"""Which rows of a table are test rows, where those of a group must stay together?"""

from __future__ import annotations

import pandas as pd

from raygen.data.fragments.groups_dealt import deal_groups

TARGET = "label"
BY = "patient"
FOLDS = 5


def cut_test_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part a fifth of the groups' rows as test rows; the training rows are sorted by their fold."""
    frame = frame.dropna(subset=[TARGET, BY])
    is_test = deal_groups(frame, 5) == 0
    train = frame[~is_test]
    return train.iloc[deal_groups(train, FOLDS).argsort(kind="stable")], frame[is_test]
