"""What does a language model learn from, and how does it go on with a text?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

MAX_LENGTH = 128
NEW_TOKENS = 64
END = 2
PAD = 2


def count_targets(y: np.ndarray) -> int:
    """Count what the loss of these rows is a sum over: tokens that others stand before."""
    return int((y.reshape(len(y), -1)[:, 1:MAX_LENGTH] >= 0).sum())


def loss_sum(
    model: nn.Module, batch: dict[str, Any], targets: torch.Tensor, settings: dict[str, Any]
) -> torch.Tensor:
    """The cross-entropy of each next token that is a target, summed."""
    targets = targets.flatten(1)[:, 1 : batch["input_ids"].shape[1]]  # of the first reference
    kept = targets >= 0
    logits = model(**batch).logits[:, -1 - kept.shape[1] : -1]  # virtual tokens stand before
    return nn.functional.cross_entropy(logits[kept].float(), targets[kept], reduction="sum")


def predict_batch(model: nn.Module, batch: dict[str, Any]) -> torch.Tensor:
    """Go on with the likeliest tokens up to END: (rows, NEW_TOKENS)."""
    mask = batch["attention_mask"]
    order = mask.argsort(dim=1, stable=True)  # the padding first
    tokens = model.generate(
        input_ids=batch["input_ids"].gather(1, order),
        attention_mask=mask.gather(1, order),
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        eos_token_id=END,
        pad_token_id=PAD,
    )[:, mask.shape[1] :]
    return nn.functional.pad(tokens, (0, NEW_TOKENS - tokens.shape[1]), value=PAD)
