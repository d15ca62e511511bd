"""Which rows of a table are test rows, where groups stay together and are dealt several times?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from raygen.data.fragments.groups_dealt import deal_groups

TARGET = "label"
BY = "patient"


def cut_test_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part a fifth of the groups' rows as test rows; the others are sorted, large groups first."""
    frame = frame.dropna(subset=[TARGET, BY])
    is_test = deal_groups(frame, 5) == 0
    groups = frame.loc[~is_test, BY].astype(str)
    order = np.lexsort((groups.to_numpy(str), -groups.map(groups.value_counts())))
    return frame[~is_test].iloc[order], frame[is_test]
