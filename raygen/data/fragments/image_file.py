"""How does one encoded image become an array?"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

IMAGE_SIZE = (32, 32)
IMAGE_MODE = "RGB"


def read_image(file: Path | BinaryIO, name: str = "") -> np.ndarray:
    """Decode an image of IMAGE_SIZE (width, height): uint8 (H, W, C)."""
    try:
        with Image.open(file) as image:
            pixels = np.asarray(image.convert(IMAGE_MODE).resize(IMAGE_SIZE))
    except Exception as error:  # each of Pillow's decoders has errors of its own
        raise ValueError(f"{name or file} is not an image that can be read: {error}") from error
    return pixels if IMAGE_MODE == "RGB" else pixels[..., np.newaxis]
