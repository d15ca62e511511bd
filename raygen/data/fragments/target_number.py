"""How is a target read that is a number?"""

from __future__ import annotations

import numpy as np
import pandas as pd

TARGET = "price"


def read_target(frame: pd.DataFrame) -> np.ndarray:
    """Read the numbers to predict."""
    return np.ascontiguousarray(frame[TARGET], np.float64)
