"""What does a model learn from texts that belong together, and where does it put a text?"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from torch import nn

TEMPERATURE = 0.05


def count_targets(y: np.ndarray) -> int:
    """Count what the loss of these rows is a sum over: anchors."""
    return len(y)


def loss_sum(
    model: nn.Module, batch: dict[str, Any], targets: torch.Tensor, settings: dict[str, Any]
) -> torch.Tensor:
    """Find each anchor's positive among all other texts of the batch, summed (Henderson 2017)."""
    vectors = predict_batch(model, batch)
    others = vectors[:, 1:].transpose(0, 1).flatten(0, 1)  # the positives of all rows come first
    places = torch.arange(len(vectors), device=vectors.device)
    likeness = vectors[:, 0] @ others.T / TEMPERATURE
    return nn.functional.cross_entropy(likeness, places, reduction="sum")


def predict_batch(model: nn.Module, batch: dict[str, Any]) -> torch.Tensor:
    """The mean over a text's tokens, of length 1: (rows, texts of a row, width)."""
    mask = batch["attention_mask"]
    hidden = model(input_ids=batch["input_ids"], attention_mask=mask).last_hidden_state
    hidden = hidden[:, -mask.shape[1] :].float()  # virtual tokens stand before
    means = (hidden * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
    return nn.functional.normalize(means).unflatten(0, (-1, int(batch["texts"])))


def retrieval_scores(p: np.ndarray) -> dict[str, float]:
    """How often, and how far up, an anchor finds its positive among those of all rows."""
    likeness = p[:, 0] @ p[:, 1].T
    ranks = 1 + (likeness > np.diag(likeness)[:, None]).sum(axis=1)
    return {"recall_at_1": float((ranks == 1).mean()), "mrr": float((1 / ranks).mean())}


def print_predictions(predictions: np.ndarray) -> None:
    """Print a line of JSON for each row: the vector of its text."""
    for row, vectors in enumerate(predictions):
        print(json.dumps({"row": row, "vector": [round(float(v), 6) for v in vectors[0]]}))
