"""How do token hashes become the token numbers that the network eats?"""

from __future__ import annotations

import numpy as np

VOCABULARY = 1000


def fit_preprocessing(x: np.ndarray) -> dict[str, np.ndarray]:
    """Choose the vocabulary: the most frequent tokens of the training rows, two numbers apart."""
    hashes, counts = np.unique(x[x > 0], return_counts=True)
    frequent = np.argsort(-counts, kind="stable")[: VOCABULARY - 2]
    return {"vocabulary": np.sort(hashes[frequent])}


def preprocess(x: np.ndarray, statistics: dict[str, np.ndarray]) -> np.ndarray:
    """Number the tokens from 2 up; 0 is padding, 1 a token outside of the vocabulary: int32."""
    vocabulary = statistics["vocabulary"]
    place = np.searchsorted(vocabulary, x)
    is_known = np.append(vocabulary, 0)[place] == x
    return np.where(x == 0, 0, np.where(is_known, place + 2, 1)).astype(np.int32)
