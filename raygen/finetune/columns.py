"""Which columns hold the inputs and the targets: are they there, and hold they what they must?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raygen.data.request import Request, near_miss, told

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
    found: dict[str, str] = {}
    for column in columns:
        name = _find(request, column, frame)
        if name:
            _check_cells(request, column, name, frame)
            found[column.key.upper()] = name
    return found | {"TARGET": found[columns[-1].key.upper()]}


def check_tags(request: Request, frame: pd.DataFrame, tokens: str, tags: str) -> None:
    """Refuse rows with more or fewer tags than words.

    Raises:
        DataError: There is one; it is named.
    """
    for row, (words, given) in enumerate(zip(frame[tokens], frame[tags], strict=True)):
        if _is_list(words) and _is_list(given) and len(words) != len(given):
            raise request.data_error(
                f"row {row} has {len(words)} words and {len(given)} tags",
                key="task.dataset.tags",
                must="each word must have a tag",
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
        if column.holds not in ("text", "texts") or not given:
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
    """The first cell is what all must be; one that is missing is no reason to refuse the rest."""
    content = HOLDS[column.holds]
    first = frame[name].dropna().iloc[:1].tolist()
    if first and not content.fits(first[0]):
        raise request.data_error(
            f"column {name!r} holds {str(first[0])[:40]!r}",
            key=f"task.dataset.{column.key}",
            must=f"it must hold {content.told}",
        )


def _is_list(cell: Any) -> bool:
    return not isinstance(cell, (str, bytes, dict)) and hasattr(cell, "__len__")


HOLDS: Mapping[str, Content] = {
    "text": Content("texts", lambda cell: not _is_list(cell) and not isinstance(cell, dict)),
    "words": Content("lists of words", _is_list),
    "tags": Content("lists of tags", _is_list),
    "texts": Content(
        "texts, or lists of texts",
        lambda cell: (
            isinstance(cell, str) or (_is_list(cell) and len(cell) > 0 and isinstance(cell[0], str))
        ),
    ),
    "messages": Content(
        "lists of messages, each with a role and a content",
        lambda cell: (
            _is_list(cell)
            and len(cell) > 0
            and isinstance(cell[0], dict)
            and {"role", "content"} <= cell[0].keys()
        ),
    ),
    "audio": Content(
        "paths of wav files, or their bytes",
        lambda cell: isinstance(cell, (str, bytes, dict)),
    ),
    "label": Content("labels", lambda cell: not _is_list(cell)),
}
"""What columns can hold, by its name in ``Column.holds``."""
