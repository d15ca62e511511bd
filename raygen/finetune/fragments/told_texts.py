"""How are predicted texts told?"""

from __future__ import annotations

import json

import numpy as np
from transformers import AutoTokenizer

PRETRAINED = "HuggingFaceTB/SmolLM2-135M"


def print_predictions(predictions: np.ndarray) -> None:
    """Print a line of JSON for each row: the text that is predicted."""
    tokenizer = AutoTokenizer.from_pretrained(PRETRAINED)
    for row, text in enumerate(tokenizer.batch_decode(predictions, skip_special_tokens=True)):
        print(json.dumps({"row": row, "text": text.strip()}, ensure_ascii=False))
