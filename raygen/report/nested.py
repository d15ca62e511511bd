"""How far do search and ranking flatter what they find, in each outer fold?"""

from __future__ import annotations

from typing import Any

from raygen.errors import RunError
from raygen.report.canvas import DARK, GREY, colour_of, frame, new_figure, zoom
from raygen.report.view import SearchView

_SERIES = (
    ("validation", "the best of its search", "^", 9),
    ("ranked", "its winner's mean over the inner folds", "s", 6),
    ("score", "its winner on the rows left out", "D", 6),
)
_ROW = 0.42
"""Inches."""


def check_nested(view: SearchView) -> None:
    """There must be outer folds.

    Raises:
        RunError: There are none.
    """
    if not (view.board or {}).get("nested"):
        must = "it needs a nested cross-validation"
        raise RunError("there are no outer folds", must=must, remedy="type --set rank.nested=true")


def nested_figure(view: SearchView) -> Any:
    """Three scores of each outer fold, and the interval of those on rows left out."""
    found = nested_numbers(view)
    folds = found["folds"]
    scores = [fold[key] for fold in folds for key, *_ in _SERIES]
    limits = zoom(scores, scores, mode=view.mode)
    figure = new_figure(8, 2.3 + _ROW * len(folds), view.headline)
    axis = figure.subplots()
    low, high = found["interval"]
    axis.axvspan(low, high, color=DARK, alpha=0.08, lw=0)
    axis.axvline(found["mean"], color=DARK, lw=1, ls="--")
    for place, fold in enumerate(folds):
        ends = sorted(fold[key] for key, *_ in _SERIES)
        axis.plot([ends[0], ends[-1]], [place, place], color=GREY, lw=1, zorder=2)
    for number, (key, told, marker, size) in enumerate(_SERIES):
        x, style = [fold[key] for fold in folds], {"ms": size, "ls": "", "zorder": 3 + number}
        axis.plot(x, range(len(folds)), marker, color=colour_of(number), label=told, **style)
    names = [f"{place}. {fold['trial_id']}" for place, fold in enumerate(folds, start=1)]
    axis.set_yticks(range(len(folds)), names, fontsize=8)
    frame(
        axis,
        xlim=limits,
        ylim=(len(folds) - 0.5, -0.5),
        xlabel=f"{view.metric}, {view.better}; grey: 95 % interval of the mean on rows left out",
        below=0.42 / (_ROW * len(folds) + 0.3),
    )
    axis.set_title("Each row is an outer fold: how far search and ranking flatter what they find")
    return figure


def nested_numbers(view: SearchView) -> dict[str, Any]:
    """What ``nested_figure`` draws."""
    found: dict[str, Any] = (view.board or {})["nested"]
    return found
