"""How are prompts and answers read from a column of conversations?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from transformers import AutoTokenizer

from raygen.data.fragments.rows_by_split import cut_test_rows
from raygen.finetune.fragments.frame_file import read_frame
from raygen.finetune.fragments.prompts_and_answers import encode_pairs

DATA = "data/chats.parquet"
PRETRAINED = "HuggingFaceTB/SmolLM2-135M"
TARGET = "messages"


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the conversations, whose last message is learnt: x, y, x_test, y_test."""
    train, test = cut_test_rows(read_frame(path))
    return *encode_pairs(*asked_and_said(train)), *encode_pairs(*asked_and_said(test))


def read_inputs(path: str) -> np.ndarray:
    """Read the conversations to go on with from a file with the same column."""
    prompts, answers = asked_and_said(read_frame(path))
    return encode_pairs(prompts, [""] * len(answers))[0]


def asked_and_said(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """What stands before the last answer, as the tokenizer lays chats out, and that answer."""
    tokenizer = AutoTokenizer.from_pretrained(PRETRAINED)
    prompts, answers = [], []
    for cell in frame[TARGET]:
        *before, last = [dict(message) for message in cell]
        said = last["role"] == "assistant"
        asked = before if said else [*before, last]
        prompts.append(
            tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        )
        answers.append(last["content"] if said else "")
    return prompts, answers
