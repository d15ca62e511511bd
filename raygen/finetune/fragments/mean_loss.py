"""How likely does a model find the texts that are right?"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from raygen.finetune.fragments.next_token import count_targets, loss_sum
from raygen.finetune.fragments.token_rows import row_lengths, to_batch

MICRO_BATCH = 32
BF16 = False


def loss_scores(model: nn.Module, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The mean loss of a token, and its exponential."""
    model.eval()
    total, order = 0.0, np.argsort(row_lengths(x), kind="stable")
    for part in np.array_split(order, math.ceil(len(x) / MICRO_BATCH)):
        batch = {name: value.to(model.device) for name, value in to_batch(x[part]).items()}
        with torch.no_grad(), torch.autocast(model.device.type, torch.bfloat16, enabled=BF16):
            targets = torch.from_numpy(y[part]).to(model.device)
            total += loss_sum(model, batch, targets, {}).item()
    loss = total / count_targets(y)
    return {"log_loss": loss, "perplexity": math.exp(min(loss, 700))}
