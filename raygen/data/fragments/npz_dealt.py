"""How are images read from an npz file that leaves the choice of test images to us?"""

from __future__ import annotations

import numpy as np

from raygen.data.fragments.folds import deal

DATA = "data/flowers.npz"
ARRAYS = ("x", "y")
CLASSES = ("daisy", "rose", "tulip")


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the images, a fifth of each class as test rows: x, y, x_test, y_test."""
    with np.load(path) as arrays:
        x, y = as_images(arrays[ARRAYS[0]]), as_classes(arrays[ARRAYS[1]])
    is_test = deal(y, 5, seed=0) == 0
    return x[~is_test], y[~is_test], x[is_test], y[is_test]


def read_inputs(path: str) -> np.ndarray:
    """Read the images to predict: a .npy file, or the "x" of a .npz file."""
    arrays = np.load(path)
    return as_images(arrays if path.endswith(".npy") else arrays["x"])


def as_images(x: np.ndarray) -> np.ndarray:
    """Give grey images their one channel: uint8 (N, H, W, C), image after image in memory."""
    return np.ascontiguousarray(x if x.ndim == 4 else x[..., np.newaxis])


def as_classes(y: np.ndarray) -> np.ndarray:
    """Turn labels into class numbers: their places in CLASSES."""
    return np.searchsorted(np.array(CLASSES), y.reshape(-1))
