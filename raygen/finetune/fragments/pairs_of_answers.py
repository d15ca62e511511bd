"""How likely does a model find two answers to a prompt?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn


def row_lengths(x: np.ndarray) -> np.ndarray:
    """Count the tokens of the longer answer of each row and its prompt."""
    lengths: np.ndarray = (x[:, :2] >= 0).sum(axis=2).max(axis=1)
    return lengths


def to_batch(x: np.ndarray) -> dict[str, torch.Tensor]:
    """Both answers of each row one after the other, without the padding that all have."""
    both = torch.from_numpy(x[..., : row_lengths(x).max()].astype(np.int64))
    ids, said = both[:, :2].flatten(0, 1), both[:, 2:].flatten(0, 1)
    return {"input_ids": ids.clamp(min=0), "attention_mask": (ids >= 0).long(), "said": said}


def predict_batch(model: nn.Module, batch: dict[str, Any]) -> torch.Tensor:
    """The logarithm of the probability of each answer: (rows, 2)."""
    said = batch["said"][:, 1:]
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    logits = logits[:, -1 - said.shape[1] : -1].float().transpose(1, 2)  # virtual tokens before
    losses = nn.functional.cross_entropy(logits, said, reduction="none", ignore_index=-100)
    return -losses.sum(dim=1).reshape(-1, 2)
