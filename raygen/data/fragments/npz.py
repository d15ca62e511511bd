"""How are images read from an npz file that holds test images of its own?"""

from __future__ import annotations

import numpy as np

DATA = "data/clothes.npz"
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
CLASSES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the images and their class numbers: x, y, x_test, y_test."""
    with np.load(path) as arrays:
        x, y, x_test, y_test = (arrays[name] for name in ARRAYS)
    return as_images(x), as_classes(y), as_images(x_test), as_classes(y_test)


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
