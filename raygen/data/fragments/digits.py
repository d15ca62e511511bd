"""How are the handwritten digits that come with scikit-learn read?"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from raygen.data.fragments.folds import deal

DATA = "digits"


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the digits, a fifth of each class as test rows: x, y, x_test, y_test."""
    if path != "digits":
        raise ValueError(f"{path}: only the digits that come with scikit-learn are read here")
    digits = load_digits()
    x, y = digits.images.astype(np.uint8)[..., np.newaxis], digits.target.astype(np.int64)
    is_test = deal(y, 5, seed=0) == 0
    return x[~is_test], y[~is_test], x[is_test], y[is_test]


def read_inputs(path: str) -> np.ndarray:
    """Read the images to predict, brightness 0 to 16: a .npy file, or the "x" of a .npz file."""
    arrays = np.load(path)
    x: np.ndarray = arrays if path.endswith(".npy") else arrays["x"]
    return x.reshape(-1, 8, 8, 1).astype(np.uint8, order="C")
