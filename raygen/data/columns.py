"""Which columns of a table are inputs, and what constants does their loader need?"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from raygen.data.encoded_images import image_constants, image_shape
from raygen.data.loaders import loader_program
from raygen.data.request import Request, near_miss, told
from raygen.data.spec import DataSpec

IMAGES = ("image", "img", "images", "picture", "photo")
TEXTS = ("text", "sentence", "review", "content", "document", "title", "question")
"""Columns that are taken where the YAML names none; the first that is there."""

MOST_CATEGORIES = 64
"""Values of a categorical column that get an input of their own, the most frequent ones."""
MOST_TOKENS = 20_000
"""Size of the vocabulary, at most."""
LONGEST_TEXT = 256
"""Tokens of a text that are read, at most, where the YAML does not say."""

Described = tuple[tuple[int, ...], dict[str, Any]]


def describe_inputs(request: Request, draft: DataSpec, train: pd.DataFrame) -> Described:
    """Find the inputs among the columns.

    Args:
        request: Which columns are meant, as far as the YAML says.
        draft: What is known of the data set so far; its constants name target and splits.
        train: The training rows.

    Returns:
        Shape of one row as the network sees it, and the constants of the loader's fragments.

    Raises:
        DataError: A column is not there or does not hold what it must hold.
    """
    match request.modality:
        case "image":
            return _describe_image(request, draft, train)
        case "text":
            return _describe_text(request, draft, train)
    return _describe_table(request, draft, train)


def find_column(request: Request, frame: pd.DataFrame, key: str, name: str) -> str:
    """Return the name of a column that the YAML gives, if it is there."""
    columns = [str(column) for column in frame.columns]
    if name not in frame.columns:
        raise request.data_error(
            f"there is no column {name!r}",
            key=key if "." in key else f"task.dataset.{key}",
            must=f"must be one of {told(columns)}",
            remedy=near_miss(name, columns),
        )
    return name


def _describe_image(request: Request, draft: DataSpec, train: pd.DataFrame) -> Described:
    holding = [name for name in train.columns if isinstance(train[name].iloc[0], bytes | dict)]
    column = _choose(request, train, "image", IMAGES, holding)
    cells = train[column]
    if not isinstance(cells.iloc[0], bytes | dict):
        raise request.data_error(
            f"column {column!r} holds {str(cells.iloc[0])[:40]!r}",
            key="task.dataset.image",
            must="must hold encoded images (the bytes of PNG or JPEG files)",
        )
    constants = image_constants(request, _open_cells(cells))
    return image_shape(constants), {"IMAGE": column, **constants}


def _open_cells(cells: pd.Series) -> Iterator[tuple[str, io.BytesIO]]:
    for row, cell in cells.items():
        content = cell["bytes"] if isinstance(cell, dict) else cell
        yield f"{cells.name} of row {row}", io.BytesIO(content or b"")


def _describe_text(request: Request, draft: DataSpec, train: pd.DataFrame) -> Described:
    target = draft.constants["TARGET"]
    labels = {target, f"{target}_name", "split", request.by}
    holding = [name for name in train.columns if _is_text(train[name]) and name not in labels]
    column = _choose(request, train, "text", TEXTS, holding)
    constants: dict[str, Any] = {
        "TEXT": column,
        "MAX_LENGTH": request.dataset.max_length or LONGEST_TEXT,
    }
    tokens = _read_inputs(draft, constants, "as_tokens", train, as_text=[column])
    if not tokens.any():
        raise request.data_error(f"column {column!r} holds no text", key="task.dataset.text")
    if not request.dataset.max_length:
        length = int(np.quantile((tokens > 0).sum(axis=1), 0.95, method="higher"))
        constants["MAX_LENGTH"] = min(LONGEST_TEXT, 16 * max(1, -(-length // 16)))
        tokens = tokens[:, : constants["MAX_LENGTH"]]
    _, counts = np.unique(tokens[tokens > 0], return_counts=True)
    constants["VOCABULARY"] = min(MOST_TOKENS, max(3, 2 + int((counts > 1).sum())))
    return (constants["MAX_LENGTH"],), constants


def _choose(
    request: Request, train: pd.DataFrame, key: str, usual: tuple[str, ...], holding: list[str]
) -> str:
    """Take the column the YAML names, else one of the usual names, else the only fitting one."""
    given = getattr(request.dataset, key)
    if given:
        return find_column(request, train, key, given)
    named = [name for name in usual if name in train.columns]
    found = [name for name in named if name in holding] or named or holding
    if not found or (len(found) > 1 and found[0] not in usual):
        raise request.config_error(
            f"which column holds the {key}? The columns are {told(train.columns)}",
            remedy=f"name one by {key}:",
        )
    return found[0]


def _describe_table(request: Request, draft: DataSpec, train: pd.DataFrame) -> Described:
    for name in request.dataset.ignore:
        find_column(request, train, "ignore", name)
    unused = {draft.constants["TARGET"], "split", request.by, *request.dataset.ignore}
    names = [name for name in train.columns if name not in unused and train[name].notna().any()]
    numeric = tuple(name for name in names if _is_numeric(request, train[name]))
    categories = [name for name in names if name not in numeric]
    constants: dict[str, Any] = {"NUMERIC": numeric, "CATEGORIES": dict.fromkeys(categories, 0)}
    x = _read_inputs(draft, constants, "as_numbers", train, as_text=categories)
    missing = dict(zip([*numeric, *categories], np.isnan(x).any(axis=0), strict=True))
    counts = map(_count_repeated, x.T[len(numeric) :])
    # A column whose values never repeat, such as a name, says nothing of other rows.
    kept = {name: count for name, count in zip(categories, counts, strict=True) if count}
    if not numeric and not kept:
        raise request.data_error(
            f"no column is left as input; the columns are {told(train.columns)}",
            must="there must be a column of numbers or of values that repeat",
        )
    constants["CATEGORIES"] = kept
    constants["MISSING"] = tuple(name for name in [*numeric, *kept] if missing[name])
    constants["WIDTH"] = sum(map(len, (numeric, constants["MISSING"], kept))) + sum(kept.values())
    return (constants["WIDTH"],), constants


def _read_inputs(
    draft: DataSpec,
    constants: dict[str, Any],
    function: str,
    train: pd.DataFrame,
    as_text: list[str],
) -> np.ndarray:
    """Turn the training rows into numbers, by the functions that the ``model.py`` will have."""
    program = loader_program(replace(draft, constants={**draft.constants, **constants}))
    if draft.source == "csv" and as_text:  # now that they are known, read these columns as text
        train, _ = program["cut_test_rows"](program["read_frame"](draft.uri, as_text))
    inputs: np.ndarray = program[function](train)
    return inputs


def _is_text(column: pd.Series) -> bool:
    return bool(pd.api.types.is_string_dtype(column.dropna()))


def _is_numeric(request: Request, column: pd.Series) -> bool:
    """Tell numbers from categories; a column of nine tenths numbers has marks for missing ones."""
    types = pd.api.types
    if types.is_numeric_dtype(column) or types.is_datetime64_any_dtype(column):
        return True
    values = column.dropna()
    if isinstance(values.iloc[0], bytes | dict | list | np.ndarray):
        raise request.data_error(
            f"column {column.name!r} holds {type(values.iloc[0]).__name__} values",
            must="the columns of a table must hold numbers or text",
            remedy=f"set ignore: [{column.name}]",
        )
    return bool(pd.to_numeric(values, errors="coerce").notna().mean() >= 0.9)


def _count_repeated(column: np.ndarray) -> int:
    """Count the values that occur at least twice, up to MOST_CATEGORIES."""
    _, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    return min(MOST_CATEGORIES, int((counts > 1).sum()))
