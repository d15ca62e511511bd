"""What does an encoder with a decoder learn from, and what does it write?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

NEW_TOKENS = 64


def count_targets(y: np.ndarray) -> int:
    """Count what the loss of these rows is a sum over: tokens of the first reference."""
    return int((y.reshape(len(y), -1)[:, :NEW_TOKENS] >= 0).sum())


def loss_sum(
    model: nn.Module, batch: dict[str, Any], targets: torch.Tensor, settings: dict[str, Any]
) -> torch.Tensor:
    """The cross-entropy of the tokens of the first reference, summed."""
    targets = targets.flatten(1)[:, :NEW_TOKENS]
    targets = targets[:, : int((targets >= 0).sum(dim=1).max())].contiguous()
    logits = model(**batch, labels=targets).logits
    kept = targets >= 0
    return nn.functional.cross_entropy(logits[kept].float(), targets[kept], reduction="sum")


def predict_batch(model: nn.Module, batch: dict[str, Any]) -> torch.Tensor:
    """Write the likeliest tokens: (rows, NEW_TOKENS)."""
    tokens = model.generate(**batch, max_new_tokens=NEW_TOKENS, do_sample=False, num_beams=1)
    tokens = tokens[:, -NEW_TOKENS:]
    return nn.functional.pad(tokens, (0, NEW_TOKENS - tokens.shape[1]), value=int(tokens[0, -1]))
