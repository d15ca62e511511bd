"""How do texts become rows of tokens?"""

from __future__ import annotations

import functools
import hashlib
import re

import numpy as np
import pandas as pd

from raygen.data.fragments.frame_parquet import read_frame
from raygen.data.fragments.rows_by_split import cut_test_rows
from raygen.data.fragments.target_class import read_target

DATA = "data/reviews.parquet"
TEXT = "text"
MAX_LENGTH = 64


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the texts as tokens, and their class numbers: x, y, x_test, y_test."""
    train, test = cut_test_rows(read_frame(path, [TEXT]))
    return as_tokens(train), read_target(train), as_tokens(test), read_target(test)


def read_inputs(path: str) -> np.ndarray:
    """Read the texts to predict from a file with the same column of texts."""
    return as_tokens(read_frame(path, [TEXT]))


def as_tokens(frame: pd.DataFrame) -> np.ndarray:
    """Hash the first MAX_LENGTH tokens of each text; zeros fill the rest of its row."""
    x = np.zeros((len(frame), MAX_LENGTH), np.int64)
    for row, text in zip(x, frame[TEXT].fillna("").astype(str), strict=True):
        tokens = [hash_token(token) for token in tokenize(text)[:MAX_LENGTH]]
        row[: len(tokens)] = tokens
    return x


def tokenize(text: str) -> list[str]:
    """Split into words, marks, and the single characters of scripts that put no spaces."""
    unspaced = r"\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff"
    accents = r"\u0300-\u036f\u0591-\u05c7\u064b-\u0670\u0900-\u0963\u0966-\u0dff"
    token = rf"[{unspaced}]|(?:[^\W{unspaced}]|[{accents}])+|[^\w\s]"
    return re.findall(token, text.lower())


@functools.cache
def hash_token(token: str) -> int:
    """Name a token by 63 bits: a number above 0, the same everywhere."""
    digest = hashlib.blake2b(token.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1 | 1
