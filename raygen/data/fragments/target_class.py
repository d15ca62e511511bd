"""How do labels become class numbers?"""

from __future__ import annotations

import numpy as np
import pandas as pd

TARGET = "label"
CLASSES = ("no", "yes")


def read_target(frame: pd.DataFrame) -> np.ndarray:
    """Turn labels into class numbers: their places in CLASSES."""
    number = {label: place for place, label in enumerate(CLASSES)}
    return np.array([number[label] for label in frame[TARGET]], np.int64)
