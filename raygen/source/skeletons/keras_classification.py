"""Targets, loss and predictions of a Keras network that tells classes apart."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import tensorflow as tf

CLASSES: list[str | int] = [0, 1]


def criterion(outputs: tf.Tensor, targets: tf.Tensor, settings: dict[str, Any]) -> tf.Tensor:
    """Cross-entropy of the outputs (N, classes), with label smoothing."""
    cross_entropy = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=settings["label_smoothing"]
    )
    return cross_entropy(tf.one_hot(targets, outputs.shape[1]), outputs)


def to_predictions(outputs: tf.Tensor, statistics: dict[str, np.ndarray]) -> np.ndarray:
    """Outputs (N, classes) to probabilities."""
    probabilities: np.ndarray = tf.nn.softmax(outputs).numpy()
    return probabilities


def print_predictions(predictions: np.ndarray) -> None:
    """One line of JSON for each row: the likeliest class and its probability."""
    for row, probabilities in enumerate(predictions):
        best = int(probabilities.argmax())
        line = {"row": row, "label": CLASSES[best], "probability": float(probabilities[best])}
        print(json.dumps(line, ensure_ascii=False))
