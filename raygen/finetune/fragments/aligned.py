"""What does a model that names the sound of each moment learn from, and what does it name?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

SAMPLES = 48_000
PAD = 0


def count_targets(y: np.ndarray) -> int:
    """Count what the loss of these rows is a sum over: tokens."""
    return int((y >= 0).sum())


def loss_sum(
    model: nn.Module, batch: dict[str, Any], targets: torch.Tensor, settings: dict[str, Any]
) -> torch.Tensor:
    """Connectionist temporal classification of the transcripts, summed (Graves 2006)."""
    loss: torch.Tensor = model(**batch, labels=targets).loss
    return loss


def predict_batch(model: nn.Module, batch: dict[str, Any]) -> torch.Tensor:
    """The likeliest token of each moment, PAD where it is that of the last: (rows, moments)."""
    tokens = model(**batch).logits.argmax(dim=2)
    first = nn.functional.pad(tokens[:, 1:] != tokens[:, :-1], (1, 0), value=True)
    moments = int(model._get_feat_extract_output_lengths(SAMPLES))
    tokens = torch.where(first, tokens, PAD)
    return nn.functional.pad(tokens, (0, moments - tokens.shape[1]), value=PAD)
