"""How are transcripts told, and how far are they from what was said?"""

from __future__ import annotations

import json
import re

import jiwer
import numpy as np
from transformers import AutoTokenizer

PRETRAINED = "openai/whisper-tiny.en"


def print_predictions(predictions: np.ndarray) -> None:
    """Print a line of JSON for each row: what is said."""
    for row, text in enumerate(decode(predictions)):
        print(json.dumps({"row": row, "text": text}, ensure_ascii=False))


def decode(tokens: np.ndarray) -> list[str]:
    """The text of each row of token numbers."""
    tokenizer = AutoTokenizer.from_pretrained(PRETRAINED)
    return [
        str(tokenizer.decode(row[row >= 0], skip_special_tokens=True, group_tokens=False)).strip()
        for row in tokens
    ]


def speech_scores(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Wrong words and wrong characters, as shares of the right ones; without case and points."""
    right, written = (
        [re.sub(r"[^\w\s']", "", text.lower()).strip() for text in decode(tokens)]
        for tokens in (y, p)
    )
    return {"wer": jiwer.wer(right, written), "cer": jiwer.cer(right, written)}
