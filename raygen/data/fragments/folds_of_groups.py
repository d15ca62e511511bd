"""Which rows train and which validate, where whole groups are dealt into folds several times?"""

from __future__ import annotations

import numpy as np

SEED = 0
FOLDS = 6
REPEATS = 2
GROUPS = ((20, 1), (19, 3))


def split(y: np.ndarray, fold: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the training and the validation rows of a fold; without a fold, all rows train.

    There are FOLDS of them in all: each of REPEATS has its own deal of the groups. The loader has
    put the rows of a group together: first GROUPS[0][1] groups of GROUPS[0][0] rows, and so on.
    """
    parts = FOLDS // REPEATS
    if fold is None:
        return np.arange(len(y)), np.arange(0)
    sizes = np.repeat(*np.transpose(GROUPS))
    order = np.random.RandomState(SEED + fold // parts).permutation(len(sizes))
    held_out = np.isin(np.arange(len(sizes)), np.array_split(order, parts)[fold % parts])
    is_held_out = np.repeat(held_out, sizes)
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
