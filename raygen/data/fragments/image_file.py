"""How does one encoded image become an array?"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

IMAGE_SIZE = (32, 32)
IMAGE_MODE = "RGB"


def read_image(file: Path | BinaryIO) -> np.ndarray:
    """Decode an image of IMAGE_SIZE (width, height): uint8 (H, W, C)."""
    with Image.open(file) as image:
        pixels = np.asarray(image.convert(IMAGE_MODE).resize(IMAGE_SIZE))
    return pixels if IMAGE_MODE == "RGB" else pixels[..., np.newaxis]
