"""How do sounds become what a model of raw waves listens to?"""

from __future__ import annotations

import numpy as np
import torch
from transformers import AutoFeatureExtractor

from raygen.finetune.fragments.sounds import row_lengths

PRETRAINED = "facebook/wav2vec2-base-960h"
RATE = 16_000


def to_batch(x: np.ndarray) -> dict[str, torch.Tensor]:
    """Waves without the padding that all have, as the model takes them."""
    waves = [row[:end] / np.float32(32768) for row, end in zip(x, row_lengths(x), strict=True)]
    extractor = AutoFeatureExtractor.from_pretrained(PRETRAINED)
    return dict(extractor(waves, sampling_rate=RATE, padding=True, return_tensors="pt"))
