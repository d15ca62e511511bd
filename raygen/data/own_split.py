"""How does a function of the user's own deal the rows? Asked once; what it says is a constant.

So a ``model.py`` deals the same rows wherever it runs, without the function and what it imports.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import sys
import traceback
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from raygen.data.loaders import load_arrays, loader_program
from raygen.data.request import Request, near_miss
from raygen.data.spec import DataSpec
from raygen.errors import ConfigError

_KEY = "rank.split"
_TELLS = "it must give pairs of training and held-out rows, or a fold for each row, a whole number"
_MOST_ROLES = 1000
"""Kinds of rows that differ in the folds that they train in."""
_WIDTH = 88
"""Letters of a line."""


def as_given(request: Request, rows: pd.DataFrame) -> dict[str, Any]:
    """The constants of ``split`` by what the function says; none without a function.

    Args:
        request: Names the function.
        rows: The training rows, with all columns.

    Raises:
        ConfigError: There is no such function, it fails, or what it gives are no folds.
    """
    if not request.deal.function:
        return {}
    result = _called(request, rows.reset_index(drop=True))
    folds = _folds(request, result, len(rows))
    if len(folds) != request.folds:
        raise _refused(
            request,
            f"{len(folds)} folds",
            must=f"rank.folds is {request.folds}",
            remedy=f"set rank.folds: {len(folds)}" if len(folds) > 1 else "",
        )
    letters = np.full((len(rows), len(folds)), "-")
    for fold, (train, held_out) in enumerate(folds):
        letters[train, fold], letters[held_out, fold] = "t", "h"
    roles, place = np.unique(letters, axis=0, return_inverse=True)
    if len(roles) > _MOST_ROLES:
        told = f"rows that train in {len(roles)} different sets of folds"
        raise _refused(request, told, must=f"at most {_MOST_ROLES} fit into a model.py")
    packed = base64.b64encode(zlib.compress(place.astype("<u2").tobytes(), 9)).decode()
    return {
        "ROLES": tuple("".join(role) for role in roles),
        "ROLE_OF_ROW": tuple(packed[at : at + _WIDTH] for at in range(0, len(packed), _WIDTH)),
    }


def sha_of_folds(sha: str, constants: Mapping[str, Any]) -> str:
    """The fingerprint of a data set, which is another one with other folds."""
    if "ROLES" not in constants:
        return sha
    told = repr((sha, constants["ROLES"], constants["ROLE_OF_ROW"]))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def images_as_given(request: Request, spec: DataSpec) -> DataSpec:
    """The same data set, its images dealt by the function: it sees labels, and names of files.

    Raises:
        ConfigError: There is no such function, it fails, or what it gives are no folds.
        DataError: A fold trains on a single class.
    """
    from raygen.data.folds_by_column import check_folds

    if spec.source == "folder":  # names are read in place of pixels
        program = loader_program(spec)
        program["read_image"] = str
        files, y, _, _ = program["load_data"]()
        rows = pd.DataFrame({"file": files})
    else:
        y, rows = load_arrays(spec)["y"], pd.DataFrame()
    rows["label"] = np.array(spec.classes)[y]
    constants = {**spec.constants, **as_given(request, rows)}
    check_folds(request, constants, y)
    sha = sha_of_folds(spec.sha, constants)
    return replace(spec, split="function", constants=constants, sha=sha)


def _called(request: Request, rows: pd.DataFrame) -> Any:
    """What the function gives for the rows; whatever it raises is one line for the user."""
    file, _, name = request.deal.function.rpartition(":")
    path, where = Path(file), request.where(_KEY)
    if not path.is_file():
        beside = [each.name for each in path.parent.glob("*.py")]
        raise ConfigError(
            f"no such file: {file}",
            where=where,
            must="its path counts from here, or from the folder of the config",
            remedy=near_miss(path.name, beside),
        )
    spec = importlib.util.spec_from_file_location(f"own_{path.stem}", path)
    assert spec is not None, f"{path} ends in .py"
    assert spec.loader is not None, f"{path} ends in .py"
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # which dataclasses look for
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
        function = getattr(module, name, None)
        if function is not None:
            found = function(rows)
            if isinstance(found, Iterator):  # which may never end; no more folds than rows are any
                return list(islice(found, len(rows) + 1))
            return list(found) if isinstance(found, Iterable) else found
    except (Exception, SystemExit) as error:  # whatever the user's function raises
        raise ConfigError(
            f"{request.deal.function} failed: {_told(error, path)}",
            where=where,
            must="it is called with the training rows, a pandas DataFrame",
        ) from error
    finally:
        sys.path.remove(str(path.parent.resolve()))
        del sys.modules[spec.name]
    known = [each for each in vars(module) if not each.startswith("_")]
    raise ConfigError(
        f"{file} has no function {name!r}", where=where, remedy=near_miss(name, known)
    )


def _told(error: BaseException, path: Path) -> str:
    """The innermost line of the file, and the exception."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    lines = [
        each
        for each in traceback.extract_tb(error.__traceback__)
        if Path(each.filename).resolve() == path.resolve()
    ]
    place = f"line {lines[-1].lineno} `{lines[-1].line}`: " if lines else ""
    return f"{place}{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _folds(request: Request, result: Any, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Training and held-out rows of each fold, checked.

    Raises:
        ConfigError: They are none.
    """
    if not isinstance(result, list):
        given = "nothing" if result is None else f"a value of type {type(result).__name__}"
        raise _refused(request, given, must=_TELLS)
    if all(isinstance(each, (tuple, list)) and len(each) == 2 for each in result):
        found = [
            (
                _rows(request, train, count, f"the training rows of fold {fold}"),
                _rows(request, held_out, count, f"the held-out rows of fold {fold}"),
            )
            for fold, (train, held_out) in enumerate(result)
        ]
    else:
        found = _of_numbers(request, result, count)
    held_by = np.full(count, -1)
    for fold, (train, held_out) in enumerate(found):
        if not len(train) or not len(held_out):
            told = f"{len(train)} training and {len(held_out)} held-out rows for fold {fold}"
            raise _refused(request, told, must="each fold must have some of both")
        if len(both := np.intersect1d(train, held_out)):
            told = f"row {both[0]} for training and as held out in fold {fold}"
            raise _refused(request, told, must="no row is both")
        if len(again := held_out[held_by[held_out] >= 0]):
            told = f"row {again[0]} as held out in folds {held_by[again[0]]} and {fold}"
            raise _refused(request, told, must="each row is held out at most once")
        held_by[held_out] = fold
    return found


def _of_numbers(
    request: Request, result: list[Any], count: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """By the number of each row's fold; -1 for a row that none holds out."""
    try:
        part = np.asarray(result)
    except ValueError:  # of no shape
        part = np.empty((0, 0))
    if part.ndim != 1 or part.dtype.kind not in "iu":
        given = f"{part.dtype} of shape {part.shape}" if part.size else "a list of no one shape"
        raise _refused(request, given, must=_TELLS)
    if len(part) != count:
        raise _refused(request, f"{len(part)} fold numbers", must=f"there are {count} rows")
    known = np.unique(part[part >= 0])
    if part.min() < -1 or not np.array_equal(known, np.arange(len(known))):
        told = f"the fold numbers {', '.join(map(str, np.unique(part)[:10]))}"
        raise _refused(
            request, told, must="they must be 0, 1, ... without a gap, and -1 for no fold"
        )
    return [(np.flatnonzero(part != fold), np.flatnonzero(part == fold)) for fold in known]


def _rows(request: Request, given: Any, count: int, named: str) -> np.ndarray:
    """Places of rows, each once."""
    try:
        rows = np.asarray(given)
    except ValueError:
        rows = np.empty((0, 0))
    if rows.dtype.kind == "b" and rows.shape == (count,):
        rows = np.flatnonzero(rows)
    rows = rows.astype(np.int64) if rows.shape == (0,) else rows
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        told = f"{rows.dtype} of shape {rows.shape} for {named}"
        raise _refused(request, told, must="they must be places of rows, counted from 0")
    outside = rows[(rows < 0) | (rows >= count)]
    if len(outside):
        must = f"there are the rows 0 to {count - 1}"
        raise _refused(request, f"row {outside[0]} among {named}", must=must)
    values, times = np.unique(rows, return_counts=True)
    if times.max(initial=0) > 1:
        told = f"row {values[times.argmax()]} {times.max()} times among {named}"
        raise _refused(request, told, must="it must be there once")
    return values


def _refused(request: Request, given: str, *, must: str, remedy: str = "") -> ConfigError:
    told = f"{request.deal.function} gives {given}"
    return ConfigError(told, where=request.where(_KEY), must=must, remedy=remedy)
