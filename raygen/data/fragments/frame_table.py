"""How do the rows of a table become numbers?"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from raygen.data.fragments.frame_parquet import read_frame
from raygen.data.fragments.rows_by_split import cut_test_rows
from raygen.data.fragments.target_class import read_target

DATA = "data/houses.parquet"
NUMERIC = ("width", "height")
CATEGORIES = {"color": 3}


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the rows and their targets: x, y, x_test, y_test."""
    train, test = cut_test_rows(read_frame(path, CATEGORIES))
    return as_numbers(train), read_target(train), as_numbers(test), read_target(test)


def read_inputs(path: str) -> np.ndarray:
    """Read the rows to predict from a file with the same columns, the target apart."""
    return as_numbers(read_frame(path, CATEGORIES))


def as_numbers(frame: pd.DataFrame) -> np.ndarray:
    """Put numbers first, then categories as hashes of their text; NaN where a value is missing."""
    x = np.full((len(frame), len(NUMERIC) + len(CATEGORIES)), np.nan)
    for place, name in enumerate(NUMERIC):
        values = frame[name]  # of a missing date, to_numeric makes a number
        x[:, place] = pd.to_numeric(values, errors="coerce").where(values.notna())
    for place, name in enumerate(CATEGORIES, start=len(NUMERIC)):
        values = frame[name].astype(object)
        hashes = {value: hash_text(str(value)) for value in values.dropna().unique()}
        x[:, place] = values.map(hashes)
    x[np.isinf(x)] = np.nan
    return x


def hash_text(text: str) -> float:
    """Name a text by 52 bits: a number that a float holds exactly, the same everywhere."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return float(int.from_bytes(digest, "little") >> 12)
