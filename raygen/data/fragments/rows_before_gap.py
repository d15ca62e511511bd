"""Which rows of a table are test rows, where they are the last ones, some time after the others?"""

from __future__ import annotations

import pandas as pd

TARGET = "label"
BY = "day"
GAP = 7


def cut_test_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sort the rows by BY, part the last fifth as test rows, and leave out the GAP before them."""
    frame = frame.dropna(subset=[TARGET, BY]).sort_values(BY, kind="stable")
    end = len(frame) - len(frame) // 5
    return frame.iloc[: max(end - GAP, 0)], frame.iloc[end:]
