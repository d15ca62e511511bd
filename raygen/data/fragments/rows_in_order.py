"""Which rows of a table are test rows, where they are the last ones?"""

from __future__ import annotations

import pandas as pd

TARGET = "label"
BY = "day"


def cut_test_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sort the rows by BY, and part the last fifth as test rows."""
    frame = frame.dropna(subset=[TARGET, BY]).sort_values(BY, kind="stable")
    end = len(frame) - len(frame) // 5
    return frame.iloc[:end], frame.iloc[end:]
