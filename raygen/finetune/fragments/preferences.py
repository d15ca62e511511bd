"""How are prompts read with a better and a worse answer, and what does the model say of them?"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch
from transformers import AutoModelForCausalLM

from raygen.data.fragments.rows_by_split import cut_test_rows
from raygen.finetune.fragments.frame_file import read_frame
from raygen.finetune.fragments.pairs_of_answers import predict_batch, row_lengths, to_batch
from raygen.finetune.fragments.prompts_and_answers import encode_pairs

DATA = "data/preferences.parquet"
PRETRAINED = "HuggingFaceTB/SmolLM2-135M"
PROMPT = "prompt"
CHOSEN = "chosen"
TARGET = "rejected"
MICRO_BATCH = 32


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the pairs, and what the pretrained model says of them: x, y, x_test, y_test."""
    x, x_test = (encode(f) for f in cut_test_rows(read_frame(path, [PROMPT, CHOSEN, TARGET])))
    return x, reference(x), x_test, reference(x_test)


def read_inputs(path: str) -> np.ndarray:
    """Read the pairs to compare from a file with the same columns."""
    return encode(read_frame(path, [PROMPT, CHOSEN, TARGET]))


def encode(frame: pd.DataFrame) -> np.ndarray:
    """Number the tokens: (rows, 4, MAX_LENGTH), both answers, and both without their prompts."""
    better, worse = (encode_pairs(frame[PROMPT], frame[name]) for name in (CHOSEN, TARGET))
    return np.stack([better[0], worse[0], better[1], worse[1]], axis=1)


def reference(x: np.ndarray) -> np.ndarray:
    """The logarithms of the probabilities that the pretrained model gives: (rows, 2)."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(PRETRAINED, dtype=torch.float32).to(device).eval()
    order, outputs = np.argsort(row_lengths(x), kind="stable"), []
    for part in np.array_split(order, math.ceil(len(x) / MICRO_BATCH) or 1):
        batch = {name: value.to(device) for name, value in to_batch(x[part]).items()}
        with torch.no_grad():
            outputs.append(predict_batch(model, batch).cpu().numpy())
    return np.concatenate(outputs)[np.argsort(order)]
