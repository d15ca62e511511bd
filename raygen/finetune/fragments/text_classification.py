"""How do texts with a class each become token numbers and class numbers?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from transformers import AutoTokenizer

from raygen.data.fragments.rows_by_split import cut_test_rows
from raygen.data.fragments.target_class import read_target
from raygen.finetune.fragments.frame_file import read_frame

DATA = "data/phrasebank.parquet"
PRETRAINED = "sentence-transformers/all-MiniLM-L6-v2"
TEXT = "text"
MAX_LENGTH = 128
PAD = 0


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the texts as token numbers, and their class numbers: x, y, x_test, y_test."""
    train, test = cut_test_rows(read_frame(path, [TEXT]))
    return encode(train), read_target(train), encode(test), read_target(test)


def read_inputs(path: str) -> np.ndarray:
    """Read the texts to predict from a file with the same column of texts."""
    return encode(read_frame(path, [TEXT]))


def encode(frame: pd.DataFrame) -> np.ndarray:
    """Number the first MAX_LENGTH tokens of each text; PAD fills the rest of its row."""
    tokenizer = AutoTokenizer.from_pretrained(PRETRAINED)
    tokenizer.pad_token_id, tokenizer.padding_side = PAD, "right"
    texts = frame[TEXT].fillna("").astype(str).tolist()
    kept = {"truncation": True, "padding": "max_length", "max_length": MAX_LENGTH}
    return np.array(tokenizer(texts or [""], **kept)["input_ids"][: len(texts)], np.int32)


def row_lengths(x: np.ndarray) -> np.ndarray:
    """Count the tokens of each row before its padding, at least one."""
    lengths: np.ndarray = (x != PAD).cumsum(axis=1).argmax(axis=1) + 1
    return lengths


def to_batch(x: np.ndarray) -> dict[str, torch.Tensor]:
    """Rows as the model takes them, without the padding that all have."""
    lengths = row_lengths(x)
    ids = torch.from_numpy(x[:, : lengths.max()].astype(np.int64))
    mask = torch.arange(ids.shape[1]) < torch.from_numpy(lengths)[:, None]
    return {"input_ids": ids, "attention_mask": mask.long()}
