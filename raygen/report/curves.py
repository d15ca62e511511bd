"""What would other thresholds bring: the first one's curves over all held-out rows, as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raygen.errors import RunError
from raygen.report.canvas import COLOURS, DARK, GREY, frame, new_figure
from raygen.report.held_out import first_of, short, told_of
from raygen.report.view import SearchView

_NAMED = len(COLOURS)
"""Classes with a colour of their own; of more, those with the smallest areas."""
_NEAR_ALL = 0.95
"""A mean area from which curves lie in the corner."""


@dataclass(frozen=True)
class _Kind:
    """One of the two pictures."""

    key: str
    area: str
    named: str
    """The area, in a few letters."""
    x: str
    y: str
    title: str


_ROC = _Kind(
    key="roc",
    area="auc",
    named="AUC",
    x="false positive rate: of the other rows, the share taken for the class",
    y="true positive rate: of its rows, the share found",
    title="ROC curve",
)
_PRECISION_RECALL = _Kind(
    key="precision_recall",
    area="average_precision",
    named="AP",
    x="recall: of the rows of a class, the share found",
    y="precision: of the rows taken for it, the share that is right",
    title="Precision-recall curve",
)


def check_curves(view: SearchView) -> None:
    """The first must have curves.

    Raises:
        RunError: It has none.
    """
    if "curves" not in told_of(view):
        must = "they need the ranking by folds of a task with classes"
        remedy = "type raygen rank RUN for a run that was ranked before there were any"
        raise RunError("there are no curves of held-out rows", must=must, remedy=remedy)


def roc_figure(view: SearchView) -> Any:
    """The share of each class that is found, against the share of the others taken for it."""
    return _figure(view, _ROC)


def precision_recall_figure(view: SearchView) -> Any:
    """How many of those taken for a class are of it, against the share of it that is found."""
    return _figure(view, _PRECISION_RECALL)


def roc_numbers(view: SearchView) -> dict[str, Any]:
    """What ``roc_figure`` draws."""
    return _numbers(view, _ROC)


def precision_recall_numbers(view: SearchView) -> dict[str, Any]:
    """What ``precision_recall_figure`` draws."""
    return _numbers(view, _PRECISION_RECALL)


def _figure(view: SearchView, kind: _Kind) -> Any:
    told, rows = told_of(view)["curves"], told_of(view)["rows"]
    classes: Sequence[Mapping[str, Any]] = told["classes"]
    single = len(classes) == 1 and len(told_of(view)["classes"]) == 2
    figure = new_figure(6.4, 6.6, view.headline)
    axis = figure.subplots()
    style = {"drawstyle": "steps-pre"} if kind is _PRECISION_RECALL else {}
    _draw_guessing(axis, told, kind)
    worst = sorted(classes, key=lambda each: float(each[kind.area]))[:_NAMED]
    for each in classes:
        if each not in worst:
            axis.plot(*_xy(each, kind), color=GREY, lw=0.7, alpha=0.6, **style)
    if len(classes) > _NAMED:
        axis.plot([], [], color=GREY, lw=0.7, label=f"{len(classes) - _NAMED} better classes")
    for colour, each in zip(COLOURS, worst, strict=False):
        label = f"{short(each['label'])}, {kind.named} {each[kind.area]:.3f}"
        axis.plot(*_xy(each, kind), color=colour, lw=1.8 if single else 1.1, label=label, **style)
    if not single:
        label = f"mean of the classes, {kind.named} {told[kind.area]:.3f}"
        axis.plot(*_xy(told, kind), color=DARK, lw=2.4, label=label)
    if kind is _ROC and told["auc"] > _NEAR_ALL:
        _draw_corner(axis)
    axis.set(ylabel=kind.y, aspect="equal")
    margin = (-0.02, 1.02)
    frame(axis, xlim=margin, ylim=margin, xlabel=kind.x, below=0.1)
    if legend := axis.get_legend():
        legend.remove()
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, handlelength=1.6)
    title = kind.title if single else f"{kind.title}s"
    axis.set_title(f"{title} of trial {first_of(view)} on {rows} held-out rows")
    return figure


def _draw_corner(axis: Any) -> None:
    """The upper left corner once more, enlarged, where good curves lie all together."""
    lines, side = axis.get_lines(), 0.2
    corner = axis.inset_axes((0.42, 0.1, 0.55, 0.55), xlim=(0, side), ylim=(1 - side, 1.005))
    for line in lines:
        style = {"color": line.get_color(), "lw": line.get_linewidth(), "ls": line.get_linestyle()}
        corner.plot(*line.get_data(), alpha=line.get_alpha(), **style)
    corner.set(xticks=(0, side / 2, side), yticks=(1 - side, 1 - side / 2, 1))
    corner.tick_params(labelsize=7)
    for text in (*corner.get_xticklabels(), *corner.get_yticklabels()):  # the diagonal is behind
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
    axis.indicate_inset_zoom(corner, edgecolor=GREY)


def _draw_guessing(axis: Any, told: Mapping[str, Any], kind: _Kind) -> None:
    """What comes of it if rows are taken for the class at random."""
    share = told["share"]
    ends = ([0, 1], [0, 1]) if kind is _ROC else ([0, 1], [share, share])
    axis.plot(*ends, color=GREY, lw=1, ls="--", label="guessing")


def _xy(told: Mapping[str, Any], kind: _Kind) -> tuple[Any, Any]:
    x, y = np.array(told[kind.key], dtype=float).T
    return x, y


def _numbers(view: SearchView, kind: _Kind) -> dict[str, Any]:
    told = told_of(view)["curves"]
    keys = (kind.area, "share", kind.key)
    return {
        "trial_id": first_of(view),
        **{key: told[key] for key in keys},
        "classes": [{key: each[key] for key in ("label", *keys)} for each in told["classes"]],
    }
