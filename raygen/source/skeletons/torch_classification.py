"""Targets, loss and predictions of a PyTorch network that tells classes apart."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from torch import nn

CLASSES: list[str | int] = [0, 1]


def criterion(
    outputs: torch.Tensor, targets: torch.Tensor, settings: dict[str, Any]
) -> torch.Tensor:
    """Cross-entropy of the outputs (N, classes), with label smoothing."""
    return nn.functional.cross_entropy(
        outputs, targets, label_smoothing=settings["label_smoothing"]
    )


def to_predictions(outputs: torch.Tensor, statistics: dict[str, np.ndarray]) -> np.ndarray:
    """Outputs (N, classes) to probabilities."""
    probabilities: np.ndarray = outputs.softmax(dim=1).cpu().numpy()
    return probabilities


def print_predictions(predictions: np.ndarray) -> None:
    """One line of JSON for each row: the likeliest class and its probability."""
    for row, probabilities in enumerate(predictions):
        best = int(probabilities.argmax())
        line = {"row": row, "label": CLASSES[best], "probability": float(probabilities[best])}
        print(json.dumps(line, ensure_ascii=False))
