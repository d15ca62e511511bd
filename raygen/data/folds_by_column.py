"""Which folds does a column of a table give, and are there enough of them?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from raygen.data.columns import find_column
from raygen.data.loaders import folds_fragment
from raygen.data.request import Request
from raygen.fragments import link

_WHOLE_GROUPS = ("grouped", "leave-one-group-out")


def find_by(request: Request, frame: pd.DataFrame, constants: Mapping[str, Any]) -> dict[str, Any]:
    """The constants of ``cut_test_rows`` where rows are not dealt by their target.

    Raises:
        DataError: There is no such column, it is the target, or its values have no order.
        ConfigError: A column "split" tells the test rows already.
    """
    if request.by is None:
        return {}
    by, deal = find_column(request, frame, "rank.by", request.by), request.deal
    if by == constants["TARGET"]:
        raise request.data_error(f"{by!r} is the target", key="rank.by", must="it must be another")
    if "TRAIN_SPLIT" in constants:
        raise request.config_error(
            f"{deal.split} given, and a column 'split'",
            key="rank.split",
            must="the test rows are then cut off by the column that rank.by names",
            remedy="rename or remove the column 'split', or write stratified",
        )
    found: dict[str, Any] = {"BY": by, "FOLDS": request.folds}
    if deal.split == "ordered":
        _check_order(request, frame[by])
        windows = {"WINDOW": deal.window or 0, "GAP": deal.gap}
        return found | (windows if deal.window or deal.gap else {})
    return found | ({"GROUPS": ()} if deal.repeats > 1 else {})


def fold_rows(
    request: Request, program: Mapping[str, Any], train: pd.DataFrame
) -> dict[str, tuple[Any, ...]]:
    """How many rows each fold or group has, where the loader puts those together.

    Raises:
        DataError: There are not as many groups or folds as ``rank.folds`` says.
    """
    split = request.deal.split
    if split not in (*_WHOLE_GROUPS, "column"):
        return {}
    names = train[request.by].nunique()
    short = names < request.folds if split == "grouped" else names != request.folds
    if short:
        kind = ("group" if split in _WHOLE_GROUPS else "fold") + "s" * (names != 1)
        few = "fewer than" if split == "grouped" else "not"
        raise request.data_error(
            f"column {request.by!r} has {names} {kind} in its training rows, {few} the "
            f"{request.folds} of rank.folds",
            key="rank.folds",
            must="each group is a fold" if split == "leave-one-group-out" else "",
            remedy=f"set rank.folds: {names}" if names > 1 else "name another column",
        )
    if split == "column":
        counts = train[request.by].value_counts().sort_index().to_numpy()
    elif request.deal.repeats > 1:
        sizes = Counter(train[request.by].astype(str).value_counts().tolist())
        return {"GROUPS": tuple(sorted(sizes.items(), reverse=True))}
    else:
        counts = np.bincount(program["deal_groups"](train, request.folds))
    return {"FOLD_ROWS": tuple(int(count) for count in counts)}


def check_folds(request: Request, constants: Mapping[str, Any], y: np.ndarray) -> None:
    """Deal the rows by the text that will stand in the program, and look at each fold.

    Raises:
        DataError: A fold holds out no rows, or trains on none, or on a single class.
    """
    if request.deal.split == "stratified":
        return  # where each class has a row for each fold
    module = folds_fragment(request.deal.split, constants)
    values = {**constants, "FOLDS": request.folds * request.deal.repeats}
    program: dict[str, Any] = {"__name__": "folds"}
    exec(link([module], {**values, "REPEATS": request.deal.repeats}), program)
    key = "rank.gap" if request.deal.gap else "rank.folds"
    for fold in range(values["FOLDS"]):
        train, held_out = program["split"](y, fold)
        told = f"of {len(y)} training rows fold {fold} holds out {len(held_out)}"
        if not len(train) or not len(held_out):
            raise request.data_error(
                f"{told} and trains on {len(train)}",
                key=key,
                must="each fold must have some of both",
                remedy=f"set {key} lower",
            )
        if not request.regression and len(np.unique(y[train])) < 2:
            label = constants["CLASSES"][y[train[0]]] if "CLASSES" in constants else y[train[0]]
            raise request.data_error(
                f"{told}, and all {len(train)} that it trains on are of class {label!r}",
                key="rank.split",
                must="each fold must train on two classes",
                remedy="deal the rows by another column, or into other folds",
            )


def told_without_by(request: Request, frame: pd.DataFrame, target: str) -> str:
    """How many rows are left out since nothing tells their fold, or for the gap before the test."""
    told = []
    if request.by is not None:
        known = frame[frame[target].notna()]
        missing = int(known[request.by].isna().sum())
        if missing:
            told.append(f"{missing} of {len(known)} rows have no {request.by} and are left out")
    if request.deal.gap:
        told.append(f"{request.deal.gap} rows before the test rows are left out, the gap")
    return "; ".join(told)


def _check_order(request: Request, column: pd.Series) -> None:
    """Values must have an order, and texts must sort as what they say.

    Raises:
        DataError: They have none, or a text sorts before an earlier date.
    """
    values, types = column.dropna(), pd.api.types
    if values.nunique() < 2:
        held = f"{values.tolist()[0]!r} in every row" if len(values) else "nothing"
        raise request.data_error(
            f"column {request.by!r} holds {held}", key="rank.by", must="an order needs two values"
        )
    if types.is_numeric_dtype(values) or types.is_datetime64_any_dtype(values):
        return
    dates = pd.to_datetime(values.astype(str), errors="coerce", format="mixed", utc=True)
    must = "an order must be of numbers, or of dates written as 2024-01-31"
    if dates.isna().any():
        wrong = values[dates.isna()].iloc[0]
        raise request.data_error(
            f"column {request.by!r} holds {str(wrong)[:40]!r}", key="rank.by", must=must
        )
    sorted_dates = dates[values.astype(str).sort_values(kind="stable").index]
    if not sorted_dates.is_monotonic_increasing:
        late = int((sorted_dates.diff() < pd.Timedelta(0)).to_numpy().argmax())
        pair = values[sorted_dates.index[late - 1]], values[sorted_dates.index[late]]
        raise request.data_error(
            f"column {request.by!r} sorts {pair[0]!r} before {pair[1]!r}", key="rank.by", must=must
        )
