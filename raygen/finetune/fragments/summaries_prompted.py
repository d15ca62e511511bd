"""How does a language model get documents, that it may go on with their summaries?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from raygen.finetune.fragments.prompts_and_answers import encode_pairs


def encode_summaries(
    documents: pd.Series, references: list[list[str]]
) -> tuple[np.ndarray, np.ndarray]:
    """Number the tokens: x (rows, MAX_LENGTH) and y (rows, references, MAX_LENGTH)."""
    answers = list(zip(*references, strict=True)) or [()]
    encoded = [encode_pairs(documents, each) for each in answers]
    return encoded[0][0], np.stack([y for _, y in encoded], axis=1)
