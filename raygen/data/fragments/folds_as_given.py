"""Which rows train and which validate, where a function has told it once and for all?"""

from __future__ import annotations

import base64
import zlib

import numpy as np

FOLDS = 2
ROLES = ("ht", "th")
ROLE_OF_ROW = ("eNpjYGAEQgYGAAASAAM=",)


def split(y: np.ndarray, fold: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the training and the validation rows of a fold; without a fold, all rows train.

    ROLE_OF_ROW holds each row's place in ROLES, packed. A role has a letter for each fold: t where
    the row trains, h where it is held out, - where it is neither.
    """
    if fold is None:
        return np.arange(len(y)), np.arange(0)
    place = np.frombuffer(zlib.decompress(base64.b64decode("".join(ROLE_OF_ROW))), "<u2")
    if len(place) != len(y):
        raise ValueError(f"{len(y)} rows, and the folds are of {len(place)}")
    letter = np.array([role[fold] for role in ROLES])[place]
    return np.flatnonzero(letter == "t"), np.flatnonzero(letter == "h")
