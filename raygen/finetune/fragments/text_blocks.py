"""How does running text become blocks of tokens?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from transformers import AutoTokenizer

from raygen.data.fragments.rows_by_split import cut_test_rows
from raygen.finetune.fragments.frame_file import read_frame

DATA = "data/shakespeare.txt"
PRETRAINED = "HuggingFaceTB/SmolLM2-135M"
TARGET = "text"
MAX_LENGTH = 128
BETWEEN = (2,)


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the text as blocks, which are their own targets: x, y, x_test, y_test."""
    x, x_test = (pack(frame) for frame in cut_test_rows(read_frame(path, [TARGET])))
    return x, x, x_test, x_test


def read_inputs(path: str) -> np.ndarray:
    """Read the texts to go on with; of long ones the last MAX_LENGTH tokens are kept."""
    texts = read_frame(path, [TARGET])[TARGET].str.strip().tolist()
    tokenizer = AutoTokenizer.from_pretrained(PRETRAINED)
    x = np.full((len(texts), MAX_LENGTH), -100, np.int64)
    for row, text in zip(x, texts, strict=True):
        tokens = tokenizer.encode(text, add_special_tokens=False)[-MAX_LENGTH:]
        row[: len(tokens)] = tokens
    return x


def pack(frame: pd.DataFrame) -> np.ndarray:
    """Number the tokens of all texts, in blocks of MAX_LENGTH; -100 fills the last one."""
    tokenizer = AutoTokenizer.from_pretrained(PRETRAINED)
    texts = frame[TARGET].tolist()
    found = tokenizer(texts or [""], add_special_tokens=False, verbose=False)["input_ids"]
    tokens = [token for text in found[: len(texts)] for token in (*text, *BETWEEN)]
    x = np.full((-(-len(tokens) // MAX_LENGTH), MAX_LENGTH), -100, np.int64)
    x.flat[: len(tokens)] = tokens
    return x
