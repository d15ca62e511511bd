"""How are images read from a folder of splits that have one folder for each class?"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from raygen.data.fragments.image_file import read_image

DATA = "data/flowers"
CLASSES = ("daisy", "rose", "tulip")
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
TRAIN_SPLIT = "train"
TEST_SPLIT = "test"


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the images and their class numbers: x, y, x_test, y_test."""
    return *read_splits(Path(path), TRAIN_SPLIT), *read_splits(Path(path), TEST_SPLIT)


def read_inputs(path: str) -> np.ndarray:
    """Read the images to predict: one file, or those of a folder by the alphabet."""
    files = list_images(Path(path)) if Path(path).is_dir() else [Path(path)]
    return np.stack([read_image(file) for file in files])


def read_splits(folder: Path, splits: str) -> tuple[np.ndarray, np.ndarray]:
    """Read the class folders of one split, or of several: "train+dev"."""
    folders = [folder / split / name for split in splits.split("+") for name in CLASSES]
    files = [list_images(images) if images.is_dir() else [] for images in folders]
    x = np.stack([read_image(file) for images in files for file in images])
    y = np.repeat(np.arange(len(folders)) % len(CLASSES), [len(images) for images in files])
    return x, y


def list_images(folder: Path) -> list[Path]:
    """List the images of a folder by the alphabet, hidden files apart."""
    files = [file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES]
    return sorted(file for file in files if not file.name.startswith("."))
