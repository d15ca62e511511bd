"""How are images read from a folder that has one folder for each class?"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from raygen.data.fragments.folds import deal
from raygen.data.fragments.image_file import read_image

DATA = "data/flowers"
CLASSES = ("daisy", "rose", "tulip")
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the images, a fifth of each class as test rows: x, y, x_test, y_test."""
    files = [list_images(Path(path) / name) for name in CLASSES]
    x = np.stack([read_image(file) for images in files for file in images])
    y = np.repeat(np.arange(len(CLASSES)), [len(images) for images in files])
    is_test = deal(y, 5, seed=0) == 0
    return x[~is_test], y[~is_test], x[is_test], y[is_test]


def read_inputs(path: str) -> np.ndarray:
    """Read the images to predict: one file, or those of a folder by the alphabet."""
    files = list_images(Path(path)) if Path(path).is_dir() else [Path(path)]
    return np.stack([read_image(file) for file in files])


def list_images(folder: Path) -> list[Path]:
    """List the images of a folder by the alphabet, hidden files apart."""
    files = [file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES]
    return sorted(file for file in files if not file.name.startswith("."))
