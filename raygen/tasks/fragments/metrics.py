"""Scores of predictions: y holds class numbers and p probabilities (N, classes), or values both."""

from __future__ import annotations

import numpy as np


def accuracy(y: np.ndarray, p: np.ndarray) -> float:
    """Share of rows whose likeliest class is the right one."""
    return float(np.mean(p.argmax(axis=1) == y))


def balanced_accuracy(y: np.ndarray, p: np.ndarray) -> float:
    """Mean over the classes of the share of its rows that are found."""
    hits = p.argmax(axis=1) == y
    return float(np.mean([hits[y == label].mean() for label in np.unique(y)]))


def macro_f1(y: np.ndarray, p: np.ndarray) -> float:
    """Mean over the classes of the harmonic mean of precision and recall."""
    guess = p.argmax(axis=1)
    labels = np.union1d(y, guess)
    hits = [np.sum((guess == label) & (y == label)) for label in labels]
    sizes = [np.sum(guess == label) + np.sum(y == label) for label in labels]
    return float(np.mean([2 * hit / size for hit, size in zip(hits, sizes, strict=True)]))


def auc(y: np.ndarray, p: np.ndarray) -> float:
    """Chance that a row of the class scores above one of another; mean over the classes present."""
    areas = []
    for label in [1] if p.shape[1] == 2 else np.unique(y):
        _, level, ties = np.unique(p[:, label], return_inverse=True, return_counts=True)
        ranks = (np.cumsum(ties) - (ties - 1) / 2)[level]
        inside = y == label
        m, n = inside.sum(), (~inside).sum()
        areas.append((ranks[inside].sum() - m * (m + 1) / 2) / max(1, m * n))
    return float(np.mean(areas))


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    """Mean negative logarithm of the probability given to the right class."""
    return float(-np.mean(np.log(np.maximum(p[np.arange(len(y)), y], 1e-12))))


def r2(y: np.ndarray, p: np.ndarray) -> float:
    """Share of the variance that is explained."""
    return float(1 - np.mean((y - p) ** 2) / np.mean((y - y.mean()) ** 2))


def rmse(y: np.ndarray, p: np.ndarray) -> float:
    """Root of the mean squared error, in the unit of the target."""
    return float(np.sqrt(np.mean((y - p) ** 2)))


def mae(y: np.ndarray, p: np.ndarray) -> float:
    """Mean absolute error, in the unit of the target."""
    return float(np.mean(np.abs(y - p)))
