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


def encode_pairs(prompts: Iterable[str], answers: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Number the tokens of TEMPLATE with the prompt in it, of the answer, and END.

    Answers are cut to NEW_TOKENS, prompts to what that leaves of MAX_LENGTH. Nothing follows the
    prompt where an answer is empty. Returns x, filled with -100, and y, which is x where the
    answer stands and -100 elsewhere, both (rows, MAX_LENGTH).
    """
    tokenizer = AutoTokenizer.from_pretrained(PRETRAINED)
    head, tail = (tokenizer.encode(t, add_special_tokens=False) for t in TEMPLATE.split("{}"))
    room = MAX_LENGTH - NEW_TOKENS - len(head) - len(tail)
    rows = []
    for prompt, answer in zip(prompts, answers, strict=True):
        asked = [*head, *tokenizer.encode(prompt, add_special_tokens=False)[:room], *tail]
        said = tokenizer.encode(answer, add_special_tokens=False)[: NEW_TOKENS - 1]
        rows.append((asked, [*said, END] if answer else []))
    x = np.full((len(rows), MAX_LENGTH), -100, np.int64)
    y = x.copy()
    for row, (asked, said) in enumerate(rows):
        end = len(asked) + len(said)
        x[row, :end] = asked + said
        y[row, len(asked) : end] = said
    return x, y
