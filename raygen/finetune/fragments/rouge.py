"""How much do predicted texts say what the right ones say, in the same words?"""

from __future__ import annotations

import re

import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from transformers import AutoTokenizer

PRETRAINED = "HuggingFaceTB/SmolLM2-135M"
SCORED_ROWS = 100


class Words:
    """Parts a text into words, or into characters where a script has no spaces."""

    def tokenize(self, text: str) -> list[str]:
        """The words in lower case, without punctuation."""
        return re.findall(r"[\u3040-\u9fff]|[^\W_\u3040-\u9fff]+", text.lower())


def rouge_scores(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """F1 of common words, pairs of words and longest sequences, with the best reference each.

    Lin 2004. Both hold token numbers: y (rows, references, length) filled with -100, p (rows,
    length).
    """
    tokenizer = AutoTokenizer.from_pretrained(PRETRAINED)
    scorer = RougeScorer(["rougeL", "rouge1", "rouge2"], tokenizer=Words())
    found = []
    for rows, text in zip(y, tokenizer.batch_decode(p, skip_special_tokens=True), strict=True):
        kept = [row[row >= 0] for row in rows if (row >= 0).any()]
        right = tokenizer.batch_decode(kept, skip_special_tokens=True)
        found.append([score.fmeasure for score in scorer.score_multi(right, text).values()])
    means = np.mean(found, axis=0)
    return {"rouge_l": float(means[0]), "rouge_1": float(means[1]), "rouge_2": float(means[2])}


def prompts_only(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rows without the answers that y, of the first reference, marks."""
    said = y.reshape(len(y), -1)[:, : x.shape[1]] >= 0
    return np.where(np.cumsum(said, axis=1) > 0, -100, x)
