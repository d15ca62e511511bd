"""How do prompts with an answer each become token numbers, of which the answer is learnt?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from transformers import AutoTokenizer

PRETRAINED = "HuggingFaceTB/SmolLM2-135M"
TEMPLATE = "{}\n"
MAX_LENGTH = 256
NEW_TOKENS = 64
END = 2


def encode(prompts: Iterable[str], answers: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Number the tokens of TEMPLATE with the prompt in it, of the answer, and END.

    Answers are cut to NEW_TOKENS, then prompts so that a row has MAX_LENGTH at most. Where an
    answer is empty, only the prompt is there. Returns x, filled with -100, and y, -100 where
    there is no answer, both (rows, MAX_LENGTH).
    """
    tokenizer = AutoTokenizer.from_pretrained(PRETRAINED)
    head, tail = (tokenizer.encode(t, add_special_tokens=False) for t in TEMPLATE.split("{}"))
    rows = []
    for prompt, answer in zip(prompts, answers, strict=True):
        said = tokenizer.encode(answer, add_special_tokens=False)[: NEW_TOKENS - 1]
        room = MAX_LENGTH - NEW_TOKENS - len(head) - len(tail)
        asked = tokenizer.encode(prompt, add_special_tokens=False)[:room]
        rows.append(([*head, *asked, *tail], [*said, END] if answer else []))
    x = np.full((len(rows), MAX_LENGTH), -100, np.int64)
    y = x.copy()
    for row, (asked, said) in enumerate(rows):
        end = len(asked) + len(said)
        x[row, :end] = [*asked, *said]
        y[row, len(asked) : end] = said
    return x, y
