"""How do encoded images in a column become arrays?"""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from raygen.data.fragments.frame_parquet import read_frame
from raygen.data.fragments.image_file import read_image
from raygen.data.fragments.rows_by_split import cut_test_rows
from raygen.data.fragments.target_class import read_target

DATA = "data/flowers.parquet"
IMAGE = "image"


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the images and their class numbers: x, y, x_test, y_test."""
    train, test = cut_test_rows(read_frame(path))
    return as_images(train), read_target(train), as_images(test), read_target(test)


def read_inputs(path: str) -> np.ndarray:
    """Read the images to predict from a file with the same column of images."""
    return as_images(read_frame(path))


def as_images(frame: pd.DataFrame) -> np.ndarray:
    """Decode a column of bytes, or of the dicts {"bytes": ...} that the hub writes."""
    images = []
    for row, cell in frame[IMAGE].items():
        content = cell["bytes"] if isinstance(cell, dict) else cell
        images.append(read_image(io.BytesIO(content or b""), name=f"{IMAGE} of row {row}"))
    return np.stack(images)
