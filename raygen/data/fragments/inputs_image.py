"""How do stored images become what the network eats?"""

from __future__ import annotations

import numpy as np


def fit_preprocessing(x: np.ndarray) -> dict[str, np.ndarray]:
    """Measure each channel's mean and spread over the training rows, in whole numbers: exactly."""
    count = x.size // x.shape[-1]
    mean = x.sum(axis=(0, 1, 2), dtype=np.int64) / count
    square = np.einsum("nhwc,nhwc->c", x, x, dtype=np.int64) / count
    std = np.sqrt(np.maximum(square - mean**2, 1.0))
    return {"mean": mean.astype(np.float32), "std": std.astype(np.float32)}


def preprocess(x: np.ndarray, statistics: dict[str, np.ndarray]) -> np.ndarray:
    """Center and scale each channel: uint8 to float32, both (N, H, W, C)."""
    scaled = x.astype(np.float32)
    scaled -= statistics["mean"]
    scaled /= statistics["std"]
    return scaled


def augment(x: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Shift each image by up to an eighth of its sides over black; "shift_flip" mirrors half."""
    if kind == "none":
        return x
    count, height, width, channels = x.shape
    down, right = height // 8, width // 8
    padded = np.pad(x, ((0, 0), (down, down), (right, right), (0, 0)))
    window = (height, width, channels)
    windows = np.lib.stride_tricks.sliding_window_view(padded, window, axis=(1, 2, 3))
    rows, columns = rng.integers(2 * down + 1, size=count), rng.integers(2 * right + 1, size=count)
    shifted: np.ndarray = windows[np.arange(count), rows, columns, 0]
    if kind == "shift_flip":
        mirrored = rng.random(count) < 0.5
        shifted[mirrored] = shifted[mirrored, :, ::-1]
    return shifted
