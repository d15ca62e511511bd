"""How do the numbers and categories of a table become what the network eats?"""

from __future__ import annotations

import numpy as np

NUMERIC = ("width", "height")
CATEGORIES = {"color": 3}
MISSING = ("height",)


def fit_preprocessing(x: np.ndarray) -> dict[str, np.ndarray]:
    """Learn center and scale of the numbers, and the frequent categories, from training rows."""
    numbers, categories = x[:, : len(NUMERIC)], x[:, len(NUMERIC) :]
    scales = [robust_scale(column) for column in numbers.T]
    known = np.full((len(CATEGORIES), max(CATEGORIES.values(), default=0)), np.nan)
    for row, column, count in zip(known, categories.T, CATEGORIES.values(), strict=True):
        frequent = most_frequent(column, count)
        row[: len(frequent)] = frequent
    center, scale = np.array(scales).reshape(-1, 2).T
    return {"center": center, "scale": scale, "categories": known}


def preprocess(x: np.ndarray, statistics: dict[str, np.ndarray]) -> np.ndarray:
    """Scale and bound the numbers, spell out missing values and categories: float32."""
    scaled = (x[:, : len(NUMERIC)] - statistics["center"]) * statistics["scale"]
    blocks = [np.nan_to_num(scaled / np.hypot(1, scaled / 3))]
    for column, name in zip(x.T, [*NUMERIC, *CATEGORIES], strict=True):
        if name in MISSING:
            blocks.append(np.isnan(column)[:, np.newaxis])
    for column, row, count in zip(
        x.T[len(NUMERIC) :], statistics["categories"], CATEGORIES.values(), strict=True
    ):
        is_known = column[:, np.newaxis] == row[:count]
        is_other = ~np.isnan(column) & ~is_known.any(axis=1)
        blocks += [is_known, is_other[:, np.newaxis]]
    return np.concatenate(blocks, axis=1, dtype=np.float32)


def robust_scale(column: np.ndarray) -> tuple[float, float]:
    """Return median and 1 / interquartile range (RealMLP, Holzmueller et al. 2024)."""
    present = column[~np.isnan(column)]
    if not present.size or present.min() == present.max():
        return (present[0] if present.size else 0.0), 0.0
    low, center, high = np.quantile(present, [0.25, 0.5, 0.75])
    if low == high:  # half of the values are the same: the others give the scale
        return center, 1 / np.median(np.abs(present[present != center] - center))
    return center, 1 / (high - low)


def most_frequent(column: np.ndarray, count: int) -> np.ndarray:
    """Return the values that occur most often; of equally frequent ones the smaller first."""
    values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    return values[np.argsort(-counts, kind="stable")[:count]]
