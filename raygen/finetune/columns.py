"""Which columns hold the inputs and the targets: are they there, and hold they what they must?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from raygen.data.request import Request, near_miss, told
from raygen.uris import file_name

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Column:
    """A column that a kind of input has."""

    key: str
    """The key of ``task.dataset`` that names it; its constant has the same name in capitals."""
    usual: tuple[str, ...]
    """Names that are taken where the YAML gives none."""
    holds: str
    """What its cells must be: a key of ``HOLDS``."""
    optional: bool = False
    """Whether there may be none."""
    may_lack: bool = False
    """Whether cells may be missing."""


@dataclass(frozen=True)
class Content:
    """What the cells of a column must be."""

    told: str
    fits: Callable[[Any], bool]


def find_columns(
    request: Request, columns: tuple[Column, ...], frame: pd.DataFrame
) -> dict[str, str]:
    """Give the constants that name the columns; ``TARGET`` is the last one's too.

    Raises:
        ConfigError: A column is not named, and none has a usual name.
        DataError: A column is not there, or does not hold what it must.
    """
    named = {column: _find(request, column, frame) for column in columns}
    used = frame[frame[named[columns[-1]]].notna()]  # rows without a target are left out
    for column, name in named.items():
        if name:
            _check_cells(request, column, name, used)
    found = {column.key.upper(): name for column, name in named.items() if name}
    return found | {"TARGET": named[columns[-1]]}


def check_tags(request: Request, frame: pd.DataFrame, tokens: str, tags: str) -> None:
    """Refuse rows with more or fewer tags than words, and tags that are not IOB2.

    Raises:
        DataError: There is one; it is named.
    """
    for row, words, given in zip(frame.index, frame[tokens], frame[tags], strict=True):
        if not (_is_list(words) and _is_list(given)):
            continue
        if len(words) != len(given):
            raise request.data_error(
                f"row {row} has {len(words)} words and {len(given)} tags",
                key="task.dataset.tags",
                must="each word must have a tag",
            )
        for before, tag in pairwise(["O", *given]):
            prefix, _, kind = tag.partition("-")
            if tag != "O" and (prefix not in ("B", "I") or not kind):
                raise request.data_error(
                    f"row {row} has the tag {tag!r}",
                    key="task.dataset.tags",
                    must="tags must be O, or B- or I- and what they mark: B-PER, I-PER (IOB2)",
                )
            if prefix == "I" and before not in (f"B-{kind}", tag):
                raise request.data_error(
                    f"row {row} has {tag} behind {before}",
                    key="task.dataset.tags",
                    must="the first word of what is marked must have B- (IOB2)",
                    remedy=f"write B-{kind} there",
                )


def tell_empty(
    request: Request,
    columns: tuple[Column, ...],
    names: Mapping[str, str],
    cells: Mapping[str, list[Any]],
) -> str:
    """Say how many texts are empty; nothing if none is.

    Raises:
        DataError: All of a column are.
    """
    told = []
    for column in columns:
        given = cells.get(column.key, [])
        if column.holds not in ("text", "plain text", "texts") or not given:
            continue
        empty = sum(not _has_text(cell) for cell in given)
        if empty == len(given):
            raise request.data_error(
                f"column {names[column.key.upper()]!r} is empty in every row",
                key=f"task.dataset.{column.key}",
                must="there must be texts to learn from",
            )
        if empty:
            told.append(f"{empty} of {len(given)} cells of {names[column.key.upper()]} are empty")
    return "; ".join(told)


def _has_text(cell: Any) -> bool:
    """Whether a cell says anything: a text, a number, or one of a list of texts."""
    if _is_list(cell):
        return any(_has_text(each) for each in cell)
    return cell is not None and cell == cell and bool(str(cell).strip())


def _find(request: Request, column: Column, frame: pd.DataFrame) -> str:
    given, names = getattr(request.dataset, column.key), [str(name) for name in frame.columns]
    if given:
        if given not in names:
            raise request.data_error(
                f"there is no column {given!r}",
                key=f"task.dataset.{column.key}",
                must=f"it must be one of {told(names)}",
                remedy=near_miss(given, names),
            )
        return str(given)
    found = next((name for name in column.usual if name in names), "")
    if not found and not column.optional:
        raise request.config_error(
            f"which column holds the {column.key}? The columns are {told(names)}",
            remedy=f"name one by {column.key}:",
        )
    return found


def _check_cells(request: Request, column: Column, name: str, frame: pd.DataFrame) -> None:
    """Each cell must be what all must be; the first row that is not is named."""
    content = HOLDS[column.holds]
    as_text = file_name(request.dataset.path or "").endswith(
        ".csv"
    )  # where programs read texts as such
    for row, cell in zip(frame.index, frame[name], strict=True):
        missing = not _is_list(cell) and (cell is None or cell != cell)
        if missing and column.may_lack:
            continue
        given = str(cell) if as_text and isinstance(cell, (int, float)) and not missing else cell
        if missing or not content.fits(given):
            told = "nothing" if missing else repr(str(cell)[:40])
            raise request.data_error(
                f"row {row} of column {name!r} holds {told}",
                key=f"task.dataset.{column.key}",
                must=f"it must hold {content.told}",
            )


def _is_list(cell: Any) -> bool:
    return not isinstance(cell, (str, bytes, dict)) and hasattr(cell, "__len__")


_OF_MESSAGES = ("role", "content")


def _holds_texts(cell: Any) -> bool:
    return _is_list(cell) and all(isinstance(each, str) for each in cell)


HOLDS: Mapping[str, Content] = {
    "text": Content("texts", lambda cell: not _is_list(cell) and not isinstance(cell, dict)),
    "plain text": Content("texts", lambda cell: isinstance(cell, str)),
    "words": Content("lists of words", _holds_texts),
    "tags": Content("lists of tags", _holds_texts),
    "texts": Content(
        "texts, or lists of texts",
        lambda cell: isinstance(cell, str) or (_holds_texts(cell) and len(cell) > 0),
    ),
    "messages": Content(
        "lists of messages, each with a role and a content",
        lambda cell: (
            _is_list(cell)
            and len(cell) > 0
            and all(
                isinstance(each, dict) and all(isinstance(each.get(k), str) for k in _OF_MESSAGES)
                for each in cell
            )
        ),
    ),
    "audio": Content(
        "paths of wav files, or their bytes",
        lambda cell: (
            isinstance(cell, (str, bytes))
            or (isinstance(cell, dict) and isinstance(cell.get("bytes"), bytes))
        ),
    ),
    "label": Content("labels", lambda cell: not _is_list(cell)),
}
"""What columns can hold, by its name in ``Column.holds``."""
