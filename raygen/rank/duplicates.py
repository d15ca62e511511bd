"""Are rows there twice, so that what a fold is scored on was trained on?"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from raygen.rank.diagnosis import Diagnosis
from raygen.rank.rows import Rows

_LEAST = 0.02
"""The share of rows that have a duplicate in another fold; iris as it is has more than 0.01."""


def duplicates(rows: Rows) -> Diagnosis | None:
    """Count the rows that are equal to one of another fold, and those of them with other labels."""
    group = _groups(rows)
    first = np.unique(group, return_index=True)[1]
    crossing = _differs(rows.fold, group, first)[group]
    copied = np.bincount(group)[group] > 1
    if crossing.mean() < _LEAST:
        return None
    other = _differs(rows.y, group, first)[group] & crossing
    told = f"{copied.sum()} of {len(group)} rows are there more than once, {crossing.sum()} of them"
    label = "value" if rows.regression else "label"
    evidence = f"{told} in different folds, and {other.sum()} of these with another {label}"
    return Diagnosis("duplicates across folds", evidence)


def _groups(rows: Rows) -> NDArray[np.int64]:
    """The number of each row's content; rows of the same content have the same number."""
    x = rows.x.reshape(len(rows.x), -1)
    if x.dtype.kind == "f":
        x = np.where(np.isnan(x), np.nan, x + 0.0)  # one NaN, and no negative zero
    digests = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in x]
    found: NDArray[np.int64] = np.unique(digests, return_inverse=True)[1]
    return found


def _differs(
    values: NDArray[np.generic], group: NDArray[np.int64], first: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Of each group, whether its rows differ in a value."""
    other = values != values[first][group]
    return np.bincount(group, weights=other) > 0
