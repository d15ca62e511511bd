"""What does a model learn from a better and a worse answer?"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from torch import nn

from raygen.finetune.fragments.pairs_of_answers import predict_batch

BETA = 0.1


def count_targets(y: np.ndarray) -> int:
    """Count what the loss of these rows is a sum over: pairs."""
    return len(y)


def loss_sum(
    model: nn.Module, batch: dict[str, Any], targets: torch.Tensor, settings: dict[str, Any]
) -> torch.Tensor:
    """Direct preference optimization (Rafailov 2023, formula 7), summed over the pairs."""
    gains = predict_batch(model, batch) - targets
    return -nn.functional.logsigmoid(BETA * (gains[:, 0] - gains[:, 1])).sum()


def preference_scores(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """How often the better answer gained more, and the loss; of (rows, 2) logarithms both."""
    margins = BETA * ((p - y)[:, 0] - (p - y)[:, 1])
    loss = float(np.logaddexp(0, -margins).mean())
    return {"reward_accuracy": float((margins > 0).mean()), "dpo_loss": loss}


def print_predictions(predictions: np.ndarray) -> None:
    """Print a line of JSON for each row: how likely the model finds both answers."""
    for row, (chosen, rejected) in enumerate(predictions.tolist()):
        print(json.dumps({"row": row, "log_chosen": chosen, "log_rejected": rejected}))
