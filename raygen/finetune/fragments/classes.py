"""What does a classifier learn from, and how are its predictions told?"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from torch import nn

CLASSES = ("no", "yes")


def count_targets(y: np.ndarray) -> int:
    """Count what the loss of these rows is a sum over."""
    return len(y)


def loss_sum(
    model: nn.Module, batch: dict[str, Any], targets: torch.Tensor, settings: dict[str, Any]
) -> torch.Tensor:
    """The cross-entropy of the classes, summed over the rows."""
    smoothing = settings.get("label_smoothing", 0.0)
    logits = model(**batch).logits.float()
    return nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="sum")


def predict_batch(model: nn.Module, batch: dict[str, Any]) -> torch.Tensor:
    """The probability of each class: (rows, classes)."""
    return model(**batch).logits.float().softmax(dim=1)


def print_predictions(predictions: np.ndarray) -> None:
    """Print a line of JSON for each row: its likeliest class and that class's probability."""
    for row, p in enumerate(predictions):
        label, probability = CLASSES[int(p.argmax())], round(float(p.max()), 6)
        print(json.dumps({"row": row, "label": label, "probability": probability}))
