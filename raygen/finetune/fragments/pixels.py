"""How do images become what a pretrained model sees?"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

SIZE = (224, 224)
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def row_lengths(x: np.ndarray) -> np.ndarray:
    """All images are of one size."""
    return np.ones(len(x), np.int64)


def to_batch(x: np.ndarray) -> dict[str, torch.Tensor]:
    """Images of bytes (rows, height, width, channels) in the size, with the mean the model knows.

    Grey ones get three equal channels.
    """
    pixels = torch.from_numpy(x).permute(0, 3, 1, 2).expand(-1, 3, -1, -1).float() / 255
    if pixels.shape[2:] != SIZE:
        pixels = nn.functional.interpolate(pixels, SIZE, mode="bilinear", antialias=True)
    mean, std = (torch.tensor(each)[:, None, None] for each in (MEAN, STD))
    return {"pixel_values": (pixels - mean) / std}
