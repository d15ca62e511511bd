"""Which rows of a table are test rows, where those of a group must stay together?"""

from __future__ import annotations

import numpy as np
import pandas as pd

TARGET = "label"
BY = "patient"
FOLDS = 5


def cut_test_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part a fifth of the groups' rows as test rows; the training rows are sorted by their fold."""
    frame = frame.dropna(subset=[TARGET, BY])
    is_test = deal_groups(frame, 5) == 0
    train = frame[~is_test]
    return train.iloc[deal_groups(train, FOLDS).argsort(kind="stable")], frame[is_test]


def deal_groups(frame: pd.DataFrame, parts: int) -> np.ndarray:
    """Deal whole groups out, the largest first, each to the part with the fewest rows."""
    groups = frame[BY].astype(str)
    rows, part = [0] * parts, {}
    for group, count in sorted(groups.value_counts().items(), key=lambda each: (-each[1], each[0])):
        part[group] = rows.index(min(rows))
        rows[part[group]] += count
    return groups.map(part).to_numpy(np.int64)
