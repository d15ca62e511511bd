"""Where do the rows lie, how are they read, and which of them are for the test?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raygen.data.fetched import fetched
from raygen.data.loaders import cut_fragments
from raygen.data.request import Request, near_miss, told
from raygen.data.spec import Split
from raygen.fragments import link
from raygen.uris import is_uri

if TYPE_CHECKING:
    import pandas as pd

_FRAGMENTS = "raygen.finetune.fragments"
_ROWS = "raygen.data.fragments"


def find_source(request: Request, files: Mapping[str, str]) -> tuple[str, str]:
    """Where the rows are read from, and the module that reads them.

    What a URI names is read from this machine's copy.

    Args:
        request: The data set.
        files: By a file's ending, the module that reads such a file.

    Raises:
        ConfigError: A file of another kind is given, or a data set that has no such rows.
        DataError: The file is not there.
        EnvironmentProblem: A package for such URIs is not installed.
    """
    dataset = request.dataset
    if dataset.path is None:
        from raygen.data.inspect import BUNDLED, HUB_NAMES

        name = dataset.name or ""
        if name in BUNDLED or ("/" not in name and name not in HUB_NAMES):
            must = f"it must be one of {told(HUB_NAMES)}, or an owner/name of the hub"
            raise request.config_error(f"no data set of texts is named {name!r}", must=must)
        return HUB_NAMES.get(name, name), f"{_ROWS}.frame_hub"
    at_uri = is_uri(dataset.path)
    place = fetched(request, dataset.path) if at_uri else Path(dataset.path).expanduser()
    if not place.is_file():
        beside = [file.name for file in place.parent.iterdir()] if place.parent.is_dir() else []
        remedy = near_miss(place.name, beside)
        raise request.data_error(f"no such file: {dataset.path}", remedy=remedy)
    if place.suffix not in files:
        *first, last = files
        must = f"it must be a {', '.join(first)}{' or ' if first else ''}{last} file"
        raise request.config_error(f"{dataset.path} given", must=must)
    return str(place), files[place.suffix]


def read_rows(request: Request, uri: str, fragment: str) -> pd.DataFrame:
    """Read all rows by the text that will stand in the program.

    Raises:
        DataError: They cannot be read, or there are none.
    """
    from raygen.data.hub import hub_access

    program: dict[str, Any] = {"__name__": "loader"}
    exec(link([fragment], {}), program)
    with (
        reading(request, uri),
        hub_access(uri) if fragment.endswith("frame_hub") else nullcontext(),
    ):
        frame: pd.DataFrame = program["read_frame"](uri)
    if frame.empty:
        raise request.data_error(f"{uri} has no rows")
    if uri.endswith(".txt") and not (frame["split"] == "train").any():
        raise request.data_error(
            f"a text of {len(frame)} line{'s' * (len(frame) != 1)} leaves none for training",
            must="the last tenth of a .txt is the test, and a line lies on one side of it",
            remedy="break the text into lines, or give a .jsonl, .csv or .parquet of texts",
        )
    return frame


@contextmanager
def reading(request: Request, uri: str) -> Iterator[None]:
    """Turn what may go wrong while rows are read into a line for the user.

    Raises:
        DataError: Something did.
    """
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        told_error = " ".join(str(error).split())[:300]
        raise request.data_error(f"{uri} cannot be read: {told_error}") from error


def row_fragments(
    constants: Mapping[str, Any], *, of_class: bool, split: Split = "stratified"
) -> tuple[str, ...]:
    """The modules that part test rows from training rows, and read classes."""
    target = (f"{_ROWS}.target_class",) if of_class else ()
    if split == "column" and not of_class:
        return (f"{_FRAGMENTS}.rows_by_fold_shuffled",)
    if cut := cut_fragments(split, constants):
        return (*(f"{_ROWS}.{name}" for name in cut), *target)
    if "TEST_SPLIT" in constants:
        return (f"{_ROWS}.rows_by_split", *target)
    name = "rows_of_split" if "TRAIN_SPLIT" in constants else "rows"
    where = f"{_ROWS}.{name}_dealt" if of_class else f"{_FRAGMENTS}.{name}_shuffled"
    return (where, *target)


def cutter(
    constants: Mapping[str, Any], *, of_class: bool, split: Split = "stratified"
) -> dict[str, Any]:
    """The part of the program that has its ``cut_test_rows``."""
    program: dict[str, Any] = {"__name__": "loader"}
    modules = [*row_fragments(constants, of_class=of_class, split=split), f"{_ROWS}.folds"]
    exec(link(modules, constants), program)
    return program


def cut_test_rows(
    request: Request,
    constants: Mapping[str, Any],
    frame: pd.DataFrame,
    *,
    of_class: bool,
    packed: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """The training and the test rows, parted by the text that will stand in the program.

    Further constants tell the folds of the training rows, where a column or a function does.

    Args:
        request: The data set.
        constants: Of the program.
        frame: All rows.
        of_class: Whether each row has a class.
        packed: Whether rows are joined and cut into blocks, so that folds are of these.

    Raises:
        DataError: There are too few of either, or of what a column deals them by.
        ConfigError: A function gives no folds.
    """
    values = dict(constants)
    if of_class:
        values["CLASSES"] = sorted(set(frame[constants["TARGET"]].dropna()), key=str)
    program = cutter(values, of_class=of_class, split=request.deal.split)
    train, test = program["cut_test_rows"](frame)
    for rows, name in ((train, "training"), (test, "test")):
        if not len(rows):
            raise request.data_error(f"has no {name} rows", must="some rows must have a target")
    if len(train) < request.folds and not packed:
        raise request.data_error(
            f"{len(train)} training rows are too few for {request.folds} folds",
            key="rank.folds",
            must="python model.py --cv deals the training rows to so many, 5 if nothing is written",
            remedy="add rows" if len(train) < 2 else f"write rank: {{folds: {len(train)}}}",
        )
    import numpy as np  # with pandas: not for raygen check of a bundled data set

    from raygen.data.folds_by_column import check_folds, fold_rows
    from raygen.data.own_split import as_given

    dealt = fold_rows(request, program, train) | as_given(request, train)
    classes = values.get("CLASSES", ())
    # of rows without classes any two will do
    y = train[values["TARGET"]].map(classes.index) if of_class else range(len(train))
    check_folds(request, {**values, **dealt}, np.asarray(y))
    return train, test, dealt
