"""What is known of a table that is read in parts: a sample of each split, and how many rows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from raygen.data.request import Request
from raygen.finetune.rows import cutter, reading
from raygen.fragments import link

if TYPE_CHECKING:
    import pandas as pd

IN_PARTS = "raygen.finetune.fragments.in_parts"
"""The module that loads a table in parts."""
PART_ROWS = 10_000
"""Rows of a part."""
_SAMPLED = 10_000
"""Rows of each split that are looked at."""


def sample_rows(
    request: Request, uri: str, reader: str, labels_of: Callable[[pd.DataFrame], Any]
) -> pd.DataFrame:
    """The first rows of each split, and the first one that has a label.

    Args:
        request: The data set.
        uri: A file.
        reader: The module that reads it.
        labels_of: Checks a part, and gives the column of its labels, or of lists of them; None
            for none.

    Raises:
        DataError: It is no table, cannot be read, or has no rows.
    """
    import pandas as pd

    if not uri.endswith((".csv", ".jsonl", ".parquet")):
        raise request.config_error(
            f"streamed given for {uri}",
            key="task.dataset.streamed",
            must="it must be a csv, jsonl or parquet file",
            remedy="remove it",
        )
    kept: list[pd.DataFrame] = []
    known: dict[str, int] = {}
    seen: set[Any] = set()
    with reading(request, uri):
        for part in _parts(uri, reader):
            labels = labels_of(part)
            for split, rows in part.groupby(_splits(part), sort=False):
                room = max(0, _SAMPLED - known.get(str(split), 0))
                new = [] if labels is None else _first_ones(split, labels.loc[rows.index], seen)
                kept.append(rows.loc[rows.index[:room].union(new, sort=False)])
                known[str(split)] = known.get(str(split), 0) + len(rows)
    if not kept:
        raise request.data_error(f"{uri} has no rows")
    return pd.concat(kept, ignore_index=True)


def count_rows(
    request: Request, constants: Mapping[str, Any], reader: str, *, of_class: bool
) -> tuple[int, int, int]:
    """Rows for training, for the test and without a target, by the text of the program."""
    from raygen.data.inspect_frame import used_rows  # pandas

    cut, uri = cutter(constants, of_class=of_class)["cut_test_rows"], str(constants["DATA"])
    train = test = missing = 0
    with reading(request, uri):
        for part in _parts(uri, reader):
            of_part = cut(part)
            train, test = train + len(of_part[0]), test + len(of_part[1])
            missing += int(used_rows(part, constants)[constants["TARGET"]].isna().sum())
    return train, test, missing


def _parts(uri: str, reader: str) -> Iterator[pd.DataFrame]:
    """The table, part by part; rows are numbered from the first of the table."""
    program: dict[str, Any] = {"__name__": "loader"}
    exec(link([reader, IN_PARTS], {"PART_ROWS": PART_ROWS}), program)
    start = 0
    with tempfile.TemporaryDirectory() as folder:
        for part in program["parts_of"](uri, folder):
            frame = program["read_frame"](part)
            frame.index = range(start, start + len(frame))
            start += len(frame)
            yield frame


def _splits(part: pd.DataFrame) -> Any:
    """What rows of a part are told apart by."""
    return part["split"].astype(str) if "split" in part else [""] * len(part)


def _first_ones(split: Any, labels: pd.Series, seen: set[Any]) -> list[Any]:
    """The places of rows with a label that no earlier row of the split has."""
    found = []
    for place, cell in labels.dropna().items():
        own = {(split, each) for each in ([cell] if isinstance(cell, (str, int)) else _each(cell))}
        if not own <= seen:
            seen |= own
            found.append(place)
    return found


def _each(cell: Any) -> list[Any]:
    """The tags of a list; a number that is no list as it is."""
    return list(cell) if hasattr(cell, "__len__") else [cell]
