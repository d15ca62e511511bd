"""How does running text become blocks of tokens?"""

from __future__ import annotations

import numpy as np
from transformers import AutoTokenizer

from raygen.finetune.fragments.running_text_file import cut_texts, read_texts

DATA = "data/shakespeare.txt"
PRETRAINED = "HuggingFaceTB/SmolLM2-135M"
MAX_LENGTH = 128
END = 2


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the text as blocks, which are their own targets: x, y, x_test, y_test."""
    x, x_test = (pack(texts) for texts in cut_texts(path))
    return x, x, x_test, x_test


def read_inputs(path: str) -> np.ndarray:
    """Read the texts to go on with; of long ones the last MAX_LENGTH tokens are kept."""
    found = AutoTokenizer.from_pretrained(PRETRAINED)(read_texts(path))["input_ids"]
    x = np.full((len(found), MAX_LENGTH), -100, np.int64)
    for row, tokens in zip(x, found, strict=True):
        kept = [token for token in tokens if token != END][-MAX_LENGTH:]
        row[: len(kept)] = kept
    return x


def pack(texts: list[str]) -> np.ndarray:
    """Number the tokens of all texts, END between them, in blocks of MAX_LENGTH; -100 fills."""
    tokenizer = AutoTokenizer.from_pretrained(PRETRAINED)
    found = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    tokens = [token for text in found for token in (*text, END)][:-1]
    blocks = -(-len(tokens) // MAX_LENGTH)
    x = np.full((blocks, MAX_LENGTH), -100, np.int64)
    x.flat[: len(tokens)] = tokens
    return x
