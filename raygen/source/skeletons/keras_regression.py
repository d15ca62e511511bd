"""Targets, loss and predictions of a Keras network that predicts a value."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def fit_targets(y: np.ndarray) -> dict[str, np.ndarray]:
    """Mean and standard deviation of the training rows' target."""
    return {"target": np.array([y.mean(), max(y.std(), 1e-12)])}


def to_targets(y: np.ndarray, statistics: dict[str, np.ndarray]) -> tf.Tensor:
    """Values in units of the standard deviation."""
    mean, scale = statistics["target"]
    return tf.convert_to_tensor(((y - mean) / scale).astype(np.float32))


def criterion(outputs: tf.Tensor, targets: tf.Tensor, settings: dict[str, Any]) -> tf.Tensor:
    """Mean squared error of the outputs (N, 1)."""
    return keras.losses.MeanSquaredError()(targets, outputs[:, 0])


def to_predictions(outputs: tf.Tensor, statistics: dict[str, np.ndarray]) -> np.ndarray:
    """Outputs (N, 1) to values in the unit of the target."""
    mean, scale = statistics["target"]
    values: np.ndarray = outputs[:, 0].numpy().astype(np.float64) * scale + mean
    return values


def print_predictions(predictions: np.ndarray) -> None:
    """One line of JSON for each row: its value."""
    for row, value in enumerate(predictions):
        print(json.dumps({"row": row, "value": float(value)}))
