"""How do texts become token numbers for an encoder, and others for a decoder?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from transformers import AutoTokenizer

PRETRAINED = "google-t5/t5-small"
MAX_LENGTH = 512
NEW_TOKENS = 64


def encode_summaries(
    documents: pd.Series, references: list[list[str]]
) -> tuple[np.ndarray, np.ndarray]:
    """Number the tokens: x (rows, MAX_LENGTH) and y (rows, references, NEW_TOKENS)."""
    tokenizer = AutoTokenizer.from_pretrained(PRETRAINED)
    x = np.full((len(documents), MAX_LENGTH), -100, np.int64)
    count = len(references[0]) if references else 1
    y = np.full((len(documents), count, NEW_TOKENS), -100, np.int64)
    for row, document in enumerate(documents):
        tokens = tokenizer.encode(document, truncation=True, max_length=MAX_LENGTH)
        x[row, : len(tokens)] = tokens
        for place, text in enumerate(references[row]):
            tokens = tokenizer.encode(text, truncation=True, max_length=NEW_TOKENS) if text else []
            y[row, place, : len(tokens)] = tokens
    return x, y
