"""A network with one hidden layer, in numpy alone, learns to tell two spirals apart."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


def spirals(rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points (rows, 2) of two spirals, and which one each is of (rows, 1)."""
    label = rng.integers(2, size=(rows, 1))
    turn = rng.uniform(0.5, 3.0, size=(rows, 1))
    angle = np.pi * (turn + label)
    points = turn * np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    return points + rng.normal(scale=0.1, size=points.shape), label.astype(float)


def outputs(weights: Arrays, x: np.ndarray, activation: str) -> tuple[np.ndarray, np.ndarray]:
    """The hidden layer, and the probability of the second spiral."""
    hidden = x @ weights["w1"] + weights["b1"]
    hidden = np.tanh(hidden) if activation == "tanh" else np.maximum(hidden, 0)
    return hidden, 1 / (1 + np.exp(-np.clip(hidden @ weights["w2"] + weights["b2"], -30, 30)))


def train(
    parameters: dict[str, Any], report: Callable[..., None], resume: str | None = None
) -> None:
    """What RayGen calls: train with some parameters, and report each epoch."""
    rng = np.random.default_rng(parameters["seed"])
    x, y = spirals(400, rng)
    x_test, y_test = spirals(400, rng)
    width, lr, activation = (parameters[name] for name in ("width", "lr", "activation"))
    weights = {
        "w1": rng.normal(size=(2, width)),
        "b1": rng.normal(size=width),
        "w2": rng.normal(size=(width, 1)) / width**0.5,
        "b2": np.zeros(1),
    }
    done = 0
    if resume is not None:  # a folder that `save` was given, here or on another machine
        with np.load(Path(resume) / "state.npz") as state:
            done, weights = int(state["epoch"]), {name: state[name] for name in weights}
    for epoch in range(done + 1, parameters["epochs"] + 1):
        order = np.random.default_rng((parameters["seed"], epoch)).permutation(len(x))
        for batch in np.split(order, 20):
            hidden, p = outputs(weights, x[batch], activation)
            error = (p - y[batch]) / len(batch)
            back = error @ weights["w2"].T
            back = back * (1 - hidden**2) if activation == "tanh" else back * (hidden > 0)
            weights["w2"] -= lr * hidden.T @ error
            weights["b2"] -= lr * error.sum(axis=0)
            weights["w1"] -= lr * x[batch].T @ back
            weights["b1"] -= lr * back.sum(axis=0)
        p = np.clip(outputs(weights, x_test, activation)[1], 1e-12, 1 - 1e-12)
        metrics = {
            "epoch": epoch,
            "loss": -np.mean(y_test * np.log(p) + (1 - y_test) * np.log(1 - p)),
            "accuracy": np.mean((p > 0.5) == y_test),
        }
        report(metrics, partial(save, weights, epoch))


def save(weights: Arrays, epoch: int, folder: str) -> None:
    """Write all that ``train`` needs to go on."""
    np.savez(Path(folder) / "state.npz", epoch=epoch, **weights)
