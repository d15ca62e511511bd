"""Which folds does a column of a table give, and are there enough of them?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from raygen.data.columns import find_column
from raygen.data.request import Request


def find_by(request: Request, frame: pd.DataFrame, constants: Mapping[str, Any]) -> dict[str, Any]:
    """The constants of ``cut_test_rows`` where rows are not dealt by their target.

    Raises:
        DataError: There is no such column, or it is the target.
        ConfigError: A column "split" tells the test rows already.
    """
    if request.by is None:
        return {}
    by = find_column(request, frame, "rank.by", request.by)
    if by == constants["TARGET"]:
        raise request.data_error(f"{by!r} is the target", key="rank.by", must="it must be another")
    if "TRAIN_SPLIT" in constants:
        raise request.config_error(
            f"{request.split} given, and a column 'split'",
            key="rank.split",
            must="the test rows are then cut off by the column that rank.by names",
            remedy="rename or remove the column 'split', or write stratified",
        )
    return {"BY": by, "FOLDS": request.folds}


def fold_rows(
    request: Request, program: Mapping[str, Any], train: pd.DataFrame
) -> dict[str, tuple[int, ...]]:
    """How many rows each fold has, where the loader puts those of a fold together.

    Raises:
        DataError: There are not as many groups or folds as ``rank.folds`` says.
    """
    if request.split not in ("grouped", "column"):
        return {}
    names = train[request.by].nunique()
    short = names < request.folds if request.split == "grouped" else names != request.folds
    if short:
        kind = "groups" if request.split == "grouped" else "folds"
        few = "fewer than" if request.split == "grouped" else "not"
        raise request.data_error(
            f"column {request.by!r} has {names} {kind} in its training rows, {few} the "
            f"{request.folds} of rank.folds",
            key="rank.folds",
            remedy=f"set rank.folds: {names}" if names > 1 else "name another column",
        )
    if request.split == "column":
        counts = train[request.by].value_counts().sort_index().to_numpy()
    else:
        counts = np.bincount(program["deal_groups"](train, request.folds))
    return {"FOLD_ROWS": tuple(int(count) for count in counts)}
