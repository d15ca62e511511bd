"""What does a model that hears and writes learn from, and what does it write?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

NEW_TOKENS = 32
PREFIX = (50257, 50362)
END = 50256


def count_targets(y: np.ndarray) -> int:
    """Count what the loss of these rows is a sum over: tokens."""
    return int((y >= 0).sum())


def loss_sum(
    model: nn.Module, batch: dict[str, Any], targets: torch.Tensor, settings: dict[str, Any]
) -> torch.Tensor:
    """The cross-entropy of the tokens of the transcripts, summed."""
    logits = model(**batch, labels=targets).logits
    kept = targets >= 0
    return nn.functional.cross_entropy(logits[kept].float(), targets[kept], reduction="sum")


def predict_batch(model: nn.Module, batch: dict[str, Any]) -> torch.Tensor:
    """Write the likeliest tokens: (rows, NEW_TOKENS), END behind the last."""
    (features,) = batch.values()
    begin = torch.tensor([PREFIX] * len(features), device=features.device)
    tokens = model.generate(
        features, decoder_input_ids=begin, max_new_tokens=NEW_TOKENS, do_sample=False
    )[:, -NEW_TOKENS:]
    return nn.functional.pad(tokens, (0, NEW_TOKENS - tokens.shape[1]), value=END)
