"""How do sounds become the spectra that Whisper listens to?"""

from __future__ import annotations

import numpy as np
import torch
from transformers import AutoFeatureExtractor

PRETRAINED = "openai/whisper-tiny.en"
RATE = 16_000


def to_batch(x: np.ndarray) -> dict[str, torch.Tensor]:
    """Log-mel spectra of 30 seconds, as the model takes them."""
    extractor = AutoFeatureExtractor.from_pretrained(PRETRAINED)
    return dict(extractor(list(x / np.float32(32768)), sampling_rate=RATE, return_tensors="pt"))
