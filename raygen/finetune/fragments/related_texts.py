"""How do texts become token numbers, with the texts that they shall and shall not find?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from transformers import AutoTokenizer

from raygen.data.fragments.rows_by_split import cut_test_rows
from raygen.finetune.fragments.frame_file import read_frame

DATA = "data/questions.parquet"
PRETRAINED = "sentence-transformers/all-MiniLM-L6-v2"
COLUMNS = ("anchor", "positive")
MAX_LENGTH = 128


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the texts as token numbers; all that is to be learnt stands in x, so y is 0."""
    x, x_test = (encode(frame) for frame in cut_test_rows(read_frame(path, COLUMNS)))
    return x, np.zeros(len(x), np.int64), x_test, np.zeros(len(x_test), np.int64)


def read_inputs(path: str) -> np.ndarray:
    """Read the texts to embed, of the first of the columns, from a file."""
    frame = read_frame(path, COLUMNS)
    return encode(frame[[COLUMNS[0]]])


def encode(frame: pd.DataFrame) -> np.ndarray:
    """Number the first MAX_LENGTH tokens: (rows, texts of a row, MAX_LENGTH), -100 fills."""
    tokenizer = AutoTokenizer.from_pretrained(PRETRAINED)
    columns = [name for name in COLUMNS if name in frame]
    x = np.full((len(frame), len(columns), MAX_LENGTH), -100, np.int32)
    for place, name in enumerate(columns):
        for row, text in enumerate(frame[name]):
            tokens = tokenizer.encode(text, truncation=True, max_length=MAX_LENGTH)
            x[row, place, : len(tokens)] = tokens
    return x


def row_lengths(x: np.ndarray) -> np.ndarray:
    """Count the tokens of the longest text of each row."""
    lengths: np.ndarray = (x >= 0).sum(axis=2).max(axis=1)
    return lengths


def to_batch(x: np.ndarray) -> dict[str, torch.Tensor]:
    """All texts of a row one after the other, without the padding that all have."""
    ids = torch.from_numpy(x[..., : row_lengths(x).max()].astype(np.int64))
    count = torch.tensor(x.shape[1])
    ids = ids.flatten(0, 1)
    return {"input_ids": ids.clamp(min=0), "attention_mask": (ids >= 0).long(), "texts": count}
