"""How are prompts and answers read from two columns?"""

from __future__ import annotations

import numpy as np

from raygen.data.fragments.rows_by_split import cut_test_rows
from raygen.finetune.fragments.frame_file import read_frame
from raygen.finetune.fragments.prompts_and_answers import encode_pairs

DATA = "data/dialogue.parquet"
PROMPT = "prompt"
TARGET = "answer"


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the prompts with their answers as token numbers: x, y, x_test, y_test."""
    train, test = cut_test_rows(read_frame(path, [PROMPT, TARGET]))
    x, y = encode_pairs(train[PROMPT], train[TARGET])
    return x, y, *encode_pairs(test[PROMPT], test[TARGET])


def read_inputs(path: str) -> np.ndarray:
    """Read the prompts to answer from a file with the same column of prompts."""
    prompts = read_frame(path, [PROMPT])[PROMPT]
    return encode_pairs(prompts, [""] * len(prompts))[0]
