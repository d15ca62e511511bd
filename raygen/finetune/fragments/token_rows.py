"""How do rows of token numbers, filled with -100, become what a language model takes?"""

from __future__ import annotations

import numpy as np
import torch


def row_lengths(x: np.ndarray) -> np.ndarray:
    """Count the tokens of each row, at least one."""
    lengths: np.ndarray = np.maximum(1, (x >= 0).sum(axis=1))
    return lengths


def to_batch(x: np.ndarray) -> dict[str, torch.Tensor]:
    """Rows as the model takes them, without the padding that all have."""
    ids = torch.from_numpy(x[:, : row_lengths(x).max()].astype(np.int64))
    return {"input_ids": ids.clamp(min=0), "attention_mask": (ids >= 0).long()}
