"""Which values lead to which scores? Every trial is a line through all its values to its score."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from raygen.config.space import Parameter
from raygen.report.canvas import COLOURS, GREY, RED, new_figure
from raygen.report.scale import Tick, number_text, places_of, shortened, ticks_of
from raygen.report.view import SearchView

_ASIDE = -0.1
"""Where a line passes a parameter that is not active, or a score that is not there."""
_TICKS = 9
_LETTERS = 85
"""Beside one axis."""


def parallel_figure(view: SearchView) -> Any:
    """Parallel coordinates as a matplotlib Figure, from the first parameter down to the score.

    Names and values stand beside their axes, so thirty parameters are as readable as three.
    The best tenth of the trials is blue, the best one orange, those without a score red.
    """
    rows = len(view.parameters) + 1
    figure = new_figure(11, 1.6 + 0.5 * rows, view.headline)
    axis = figure.subplots()
    _draw_lines(axis, view)
    for row, parameter in enumerate(view.parameters):
        _draw_scale(axis, -row, ticks_of(parameter.domain, most=_TICKS, letters=_LETTERS))
        if parameter.when is not None:
            _draw_aside(axis, -row, "inactive")
    _draw_scale(axis, 1 - rows, _score_ticks(view), bold=True)
    if len(view.ranked) < len(view.trials):
        _draw_aside(axis, 1 - rows, "no score")
    names = [*(shortened(each.name, 40) for each in view.parameters), view.metric]
    axis.set_yticks(-np.arange(rows), names)
    axis.set(xlim=(_ASIDE - 0.05, 1.03), ylim=(0.5 - rows, 0.5), xticks=[])
    axis.tick_params(axis="y", length=0)
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.grid(False)
    axis.set_title(f"Which values lead to which scores: {view.better}")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1 / rows), ncols=4)
    return figure


def parallel_numbers(view: SearchView) -> dict[str, Any]:
    """What ``parallel_figure`` draws: the values and the score of each trial."""
    return {
        "parameters": [parameter.name for parameter in view.parameters],
        "trials": [
            {"trial_id": trial.trial_id, "values": dict(trial.current), view.metric: float(score)}
            for trial, score in zip(view.trials, view.scores, strict=True)
        ],
    }


def _draw_lines(axis: Any, view: SearchView) -> None:
    from matplotlib.collections import LineCollection

    paths = _paths(view)
    ranked = view.ranked
    strong = max(len(ranked) // 10, min(len(ranked), 5))
    groups = (
        ("no score", np.flatnonzero(~np.isfinite(view.scores)), RED, 0.8, 0.5),
        ("others", ranked[strong:], GREY, 0.8, 0.5),
        (f"best {strong}", ranked[1:strong], COLOURS[0], 1.0, 0.8),
        ("best", ranked[:1], COLOURS[1], 2.0, 1.0),
    )
    for layer, (label, places, colour, width, strength) in enumerate(groups, start=2):
        if len(places):
            alpha = strength if label == "best" else min(strength, max(0.06, 25 / len(places)))
            lines = LineCollection(paths[places], colors=colour, linewidths=width, alpha=alpha)
            lines.set_zorder(layer)
            axis.add_collection(lines)
            axis.plot([], [], color=colour, lw=max(width, 1.2), label=label)  # a strong legend


def _paths(view: SearchView) -> NDArray[np.float64]:
    """Points of each trial's line, (trials, parameters + 1, 2)."""
    columns = [_spread(view, parameter) for parameter in view.parameters]
    low, high = view.limits
    columns.append(np.clip((view.scores - low) / (high - low), 0.0, 1.0))
    x = np.stack(columns, axis=1)
    y = np.broadcast_to(-np.arange(float(len(columns))), x.shape)
    return np.stack([np.where(np.isfinite(x), x, _ASIDE), y], axis=2)


def _spread(view: SearchView, parameter: Parameter) -> NDArray[np.float64]:
    """Places along the axis; trials with the same of few values lie side by side."""
    places = places_of(view.values_of(parameter), parameter.domain)
    size = parameter.domain.size
    if size is None or size > 20:
        return places
    shift = np.random.default_rng(0).uniform(-0.12, 0.12, len(places)) / size
    return np.where(np.isfinite(places), np.clip(places + shift, 0.0, 1.0), places)


def _score_ticks(view: SearchView) -> list[Tick]:
    from matplotlib.ticker import MaxNLocator

    low, high = view.limits
    values = MaxNLocator(_TICKS, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    inside = [float(f"{value:.9g}") for value in values if low <= value <= high]
    texts = [number_text(value) for value in inside]
    if len(set(texts)) < len(texts):  # scores that differ far behind the point
        texts = [f"{value:.7g}" for value in inside]
    return [((v - low) / (high - low), t) for v, t in zip(inside, texts, strict=True)]


def _draw_scale(axis: Any, y: float, ticks: list[Tick], *, bold: bool = False) -> None:
    axis.plot([0.0, 1.0], [y, y], color="black", lw=1.4 if bold else 0.7, zorder=7)
    for at, text in ticks:
        axis.plot([at, at], [y - 0.06, y + 0.06], color="black", lw=0.7, zorder=7)
        _write(axis, at, y, text)


def _draw_aside(axis: Any, y: float, text: str) -> None:
    axis.plot([_ASIDE], [y], marker="|", ms=5, color="black", zorder=7)
    _write(axis, _ASIDE, y, text)


def _write(axis: Any, x: float, y: float, text: str) -> None:
    """A text below an axis that stays readable on top of the lines."""
    behind = {
        "boxstyle": "square,pad=0.1",
        "facecolor": "white",
        "edgecolor": "none",
        "alpha": 0.75,
    }
    axis.text(x, y - 0.13, text, ha="center", va="top", fontsize=7, bbox=behind, zorder=8)
