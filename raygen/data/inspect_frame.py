"""What do the columns of a table hold, and which rows are for training and for the test?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from raygen.data.columns import describe_inputs, find_column
from raygen.data.folds_by_column import check_folds, find_by, fold_rows, told_without_by
from raygen.data.hub import hub_access, hub_remedy
from raygen.data.loaders import loader_program
from raygen.data.own_split import as_given, sha_of_folds
from raygen.data.request import TEST_SPLITS, Request, near_miss, told
from raygen.data.spec import DataSpec

TARGETS = ("label", "labels", "target", "class", "y")
"""Columns that are taken for the target where the YAML names none."""


def inspect_frame(request: Request, uri: str, source: str) -> DataSpec:
    """Describe a csv or parquet file, a bundled table, or a data set of the hub.

    Raises:
        DataError: It cannot be read, or has not the columns, splits or values that it must have.
    """
    draft = DataSpec(
        uri=uri,
        source=source,
        modality=request.modality,
        sha="",
        num_rows=0,
        num_test_rows=0,
        input_shape=(),
        split=request.deal.split,
        constants={"DATA": uri},
    )
    frame = _read(request, draft)
    target = _find_target(request, frame)
    constants = {**draft.constants, "TARGET": target, **find_splits(request, frame, target)}
    constants |= find_by(request, frame, constants)
    if request.regression:
        _check_numbers(request, frame, target)
    else:
        constants["CLASSES"] = _find_classes(request, frame, target, constants)
    draft = replace(draft, constants=constants, classes=constants.get("CLASSES", ()))
    program = loader_program(draft)
    train, test = program["cut_test_rows"](frame)
    if not len(train):
        raise request.data_error("has no training rows", must="some rows must have a target")
    constants |= fold_rows(request, program, train) | as_given(request, train)
    y, used = program["read_target"](train), used_rows(frame, constants)
    check_folds(request, constants, y)
    missing = int(used[target].isna().sum())
    left_out = (
        told_without_target(missing, len(used), target),
        told_without_by(request, frame, target),
    )
    input_shape, inputs = describe_inputs(request, draft, train)
    counts = () if request.regression else np.bincount(y, minlength=len(draft.classes)).tolist()
    return replace(
        draft,
        sha=sha_of_folds(_fingerprint(uri, frame), constants),
        num_rows=len(train),
        num_test_rows=len(test),
        input_shape=input_shape,
        class_counts=tuple(counts),
        constants=constants | inputs,
        left_out="; ".join(each for each in left_out if each),
    )


def used_rows(frame: pd.DataFrame, constants: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of the splits that are for training or for the test."""
    if "TRAIN_SPLIT" not in constants:
        return frame
    splits = [*constants["TRAIN_SPLIT"].split("+"), constants.get("TEST_SPLIT")]
    return frame[frame["split"].isin(splits)]


def told_without_target(missing: int, rows: int, target: str) -> str:
    """How many rows are left out since they have no target; nothing if none is."""
    return f"{missing} of {rows} rows have no {target} and are left out" if missing else ""


def _read(request: Request, draft: DataSpec) -> pd.DataFrame:
    try:
        with hub_access(draft.uri) if draft.source == "hub" else nullcontext():
            frame: pd.DataFrame = loader_program(draft)["read_frame"](draft.uri)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        told_error = " ".join(str(error).split())[:300]
        if draft.source == "hub" and isinstance(error, OSError):
            raise request.data_error(
                f"{draft.uri} cannot be had from the Hugging Face hub ({told_error})",
                remedy=hub_remedy(draft.uri),
            ) from error
        raise request.data_error(f"{draft.uri} cannot be read: {told_error}") from error
    if frame.empty:
        raise request.data_error(f"{draft.uri} has no rows")
    return frame


def _find_target(request: Request, frame: pd.DataFrame) -> str:
    if request.dataset.target:
        return find_column(request, frame, "target", request.dataset.target)
    found = [name for name in TARGETS if name in frame.columns]
    if len(found) != 1:
        raise request.config_error(
            f"which column shall be predicted? The columns are {told(frame.columns)}",
            remedy="name one by target:",
        )
    return found[0]


def find_splits(request: Request, frame: pd.DataFrame, target: str) -> dict[str, str]:
    """Return TRAIN_SPLIT and TEST_SPLIT, as far as a column "split" tells rows apart."""
    if "split" not in frame.columns or target == "split":
        _refuse_splits(request)
        return {}
    held = frame["split"].dropna().astype(str).unique().tolist()
    train = (request.dataset.train_split or "train").split("+")
    for split in train:
        if split not in held:
            raise _no_split(request, "train_split", split, held)
    others = [name for name in held if name not in train and not _is_hidden(frame, target, name)]
    test = request.dataset.test_split or next((name for name in TEST_SPLITS if name in others), "")
    if test and test not in held:
        raise _no_split(request, "test_split", test, held)
    if test and test not in others:
        raise request.data_error(
            f"{test!r} is a training split too"
            if test in train
            else f"the targets of split {test!r} are hidden",
            key="task.dataset.test_split",
            must="test rows must be no training rows and have targets",
            remedy=f"name another: {told(others)}" if others else "",
        )
    return {"TRAIN_SPLIT": "+".join(train)} | ({"TEST_SPLIT": test} if test else {})


def _refuse_splits(request: Request) -> None:
    """Refuse splits by name where no column tells them apart; "train" and "test" are dealt."""
    given_train, given_test = request.dataset.train_split, request.dataset.test_split
    for key, given, dealt in (
        ("train_split", given_train, "train"),
        ("test_split", given_test, "test"),
    ):
        if given not in (None, dealt):
            raise request.data_error(
                f"there is no split {given!r}, since there is no column 'split'",
                key=f"task.dataset.{key}",
                remedy="remove this key: a fifth of the rows is then dealt out as test rows",
            )


def _no_split(request: Request, key: str, split: str, held: list[str]) -> Exception:
    return request.data_error(
        f"split {split!r} has no rows",
        key=f"task.dataset.{key}",
        must=f"must be one of {told(held)}",
        remedy=near_miss(split, held),
    )


def _is_hidden(frame: pd.DataFrame, target: str, split: str) -> bool:
    """Tell whether a split has no targets: all missing, or all -1 as the hub has it."""
    values = frame.loc[frame["split"] == split, target].dropna()
    return bool((values.astype(str) == "-1").all())


def _check_numbers(request: Request, frame: pd.DataFrame, target: str) -> None:
    values = frame[target].dropna()
    numbers = np.asarray(pd.to_numeric(values, errors="coerce").astype(float))
    wrong = values[~np.isfinite(numbers)]
    if len(wrong):
        raise request.data_error(
            f"column {target!r} holds {wrong.tolist()[0]!r}",
            key="task.dataset.target",
            must="the target of a regression must hold finite numbers",
        )
    if len(numbers) and numbers.min() == numbers.max():
        raise request.data_error(
            f"column {target!r} holds {numbers[0]:g} in every row",
            key="task.dataset.target",
            must="the target of a regression must vary",
        )


def _find_classes(
    request: Request, frame: pd.DataFrame, target: str, constants: dict[str, Any]
) -> tuple[str | int, ...]:
    """List the labels of the rows in use, sorted."""
    labels = used_rows(frame, constants)[target].dropna().unique().tolist()
    kinds = {type(label) for label in labels}
    if kinds == {float} and all(label.is_integer() for label in labels):
        labels, kinds = [int(label) for label in labels], {int}
    if float in kinds or not kinds <= {int, bool, str}:
        raise request.data_error(
            f"column {target!r} holds values such as {labels[0]!r}",
            key="task.dataset.target",
            must="classes must be integers or text",
            remedy="to predict numbers choose the task TabularRegression",
        )
    if str in kinds and len(kinds) > 1:
        raise request.data_error(
            f"column {target!r} mixes text and numbers",
            key="task.dataset.target",
            must="classes must all be integers or all be text",
        )
    return tuple(sorted(labels))


def _fingerprint(uri: str, frame: pd.DataFrame) -> str:
    """Hash the file, or all cells of a table that is no single file."""
    if Path(uri).is_file():
        return hashlib.sha256(Path(uri).read_bytes()).hexdigest()[:16]
    digest = hashlib.sha256()
    for name in frame.columns:
        for cell in frame[name]:
            content = cell.get("bytes") if isinstance(cell, dict) else cell
            digest.update(content if isinstance(content, bytes) else repr(content).encode())
    return digest.hexdigest()[:16]
