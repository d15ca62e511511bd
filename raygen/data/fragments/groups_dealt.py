"""Into which part does each group of rows go?"""

from __future__ import annotations

import numpy as np
import pandas as pd

BY = "patient"


def deal_groups(frame: pd.DataFrame, parts: int) -> np.ndarray:
    """Deal whole groups out, the largest first, each to the part with the fewest rows."""
    groups = frame[BY].astype(str)
    rows, part = [0] * parts, {}
    for group, count in sorted(groups.value_counts().items(), key=lambda each: (-each[1], each[0])):
        part[group] = rows.index(min(rows))
        rows[part[group]] += count
    return groups.map(part).to_numpy(np.int64)
