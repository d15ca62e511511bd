"""Which labels or tags are there, and has training each that the test asks for?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raygen.data.request import Request, told

if TYPE_CHECKING:
    import pandas as pd


def find_classes(
    request: Request, column: str, train: pd.DataFrame, test: pd.DataFrame, *, key: str, tags: bool
) -> tuple[str | int, ...]:
    """The labels or tags of the training rows, sorted.

    Args:
        request: The data set.
        column: Of the labels, or of lists of tags.
        train: Training rows.
        test: Test rows.
        key: Of ``task.dataset``, which names the column.
        tags: Whether each cell is a list of tags.

    Raises:
        DataError: Training lacks a label of the test, there is one only, or they are no labels.
    """
    known, asked = (_labels(rows[column], tags=tags) for rows in (train, test))
    if wrong := [label for label in known if not isinstance(label, (str, int))]:
        raise request.data_error(
            f"column {column!r} holds {wrong[0]!r}",
            key=f"task.dataset.{key}",
            must="labels must be whole numbers or texts",
        )
    if unknown := asked - known:
        raise request.data_error(
            f"the test rows have {told(sorted(unknown, key=str))}, which no training row has",
            key=f"task.dataset.{key}",
            must="every label of the test rows must occur in the training rows",
        )
    if len(known) < 2:
        problem = f"all training rows have the label {next(iter(known))!r}"
        raise request.data_error(problem, must="there must be at least two")
    return tuple(sorted(known, key=lambda label: (str(type(label)), label)))


def _labels(cells: pd.Series, *, tags: bool) -> set[Any]:
    found = {tag for cell in cells for tag in cell} if tags else set(cells)
    plain = {each.item() if hasattr(each, "item") else each for each in found}
    whole = all(isinstance(each, float) and each.is_integer() for each in plain)
    return {int(each) for each in plain} if whole else plain
