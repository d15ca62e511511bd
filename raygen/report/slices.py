"""How does the score change along each parameter alone?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from raygen.config.domain import Choice, Domain
from raygen.config.space import Parameter
from raygen.report.canvas import COLOURS, DARK, GREY, RED, new_figure, plain_legend, scatter
from raygen.report.scale import places_of, shortened, ticks_of
from raygen.report.view import SearchView
from raygen.runs.records import State

_COLUMNS = 4
_LETTERS = 34
"""Below one slice."""


def slices_figure(view: SearchView) -> Any:
    """Score against each parameter, as a matplotlib Figure.

    An axis is logarithmic where the domain is; a conditional parameter shows the trials in which
    it was active.
    """
    count = len(view.parameters)
    columns = min(_COLUMNS, count)
    rows = math.ceil(count / columns)
    figure = new_figure(max(3.1 * columns, 8.0), 2.5 * rows + 0.8, view.headline)
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axis, parameter in zip(axes.flat, view.parameters, strict=False):
        _draw_slice(axis, view, parameter)
    for axis in axes.flat[count:]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel(view.metric)
    handles: dict[str, Any] = {}
    for axis in axes.flat:
        drawn, labels = axis.get_legend_handles_labels()
        handles |= dict(zip(labels, drawn, strict=True))
    if handles:
        place = {"loc": "outside lower center", "ncols": 5}
        plain_legend(figure.legend(handles.values(), handles, **place))
    return figure


def slices_numbers(view: SearchView) -> dict[str, Any]:
    """What ``slices_figure`` draws: for each parameter its values, where active, and scores."""
    return {
        parameter.name: {
            "trials": [view.trials[place].trial_id for place in active],
            "values": [values[place] for place in active],
            "scores": view.scores[active].tolist(),
        }
        for parameter in view.parameters
        for values in [view.values_of(parameter)]
        for active in [[place for place, value in enumerate(values) if value is not None]]
    }


def _draw_slice(axis: Any, view: SearchView, parameter: Parameter) -> None:
    domain = parameter.domain
    x = places_of(view.values_of(parameter), domain)
    active, margin = int(np.isfinite(x).sum()), 0.04
    if domain.size is not None and domain.size <= 20:  # side by side, or they would hide another
        width = 0.25 / domain.size if isinstance(domain, Choice) else 0.1 / domain.size
        x = x + np.random.default_rng(0).uniform(-width, width, len(x))
        margin += width
    _draw_points(axis, view, x)
    axis.set(xlim=(-margin, 1 + margin), ylim=view.limits)
    _set_ticks(axis, domain)
    axis.set_title(shortened(parameter.name, 30), fontsize=9)
    if parameter.when is not None:
        when = f"when {parameter.when}"
        told = f"{shortened(when, 34)}: {active} of {len(x)}"
        axis.set_xlabel(told, fontsize=7, color=DARK)


def _set_ticks(axis: Any, domain: Domain) -> None:
    """Texts below the axis; those of many or long options stand upright."""
    if not isinstance(domain, Choice):
        ticks = ticks_of(domain, most=4)
        axis.set_xticks([at for at, _ in ticks], [text for _, text in ticks], fontsize=8)
        return
    upright = len(domain.options) * max(len(str(o)) for o in domain.options) > _LETTERS
    most, letters = (12, 16 * len(domain.options)) if upright else (8, _LETTERS)
    ticks = ticks_of(domain, most=most, letters=letters)
    turn = 90 if upright and any(len(text) > 3 for _, text in ticks) else 0
    axis.set_xticks([at for at, _ in ticks], [t for _, t in ticks], fontsize=8, rotation=turn)


def _draw_points(axis: Any, view: SearchView, x: Any) -> None:
    shown = np.isfinite(x)
    size = min(18.0, max(3.0, 1500 / max(len(x), 1)))
    scored = shown & np.isfinite(view.scores)
    states = [trial.state for trial in view.trials]
    whole = np.array([state is State.FINISHED for state in states], dtype=bool)
    for chosen, colour, label in (
        (scored & ~whole, GREY, "not finished"),
        (scored & whole, COLOURS[0], "finished"),
    ):
        if chosen.any():
            style: dict[str, Any] = {"s": size, "color": colour, "label": label, "alpha": 0.6}
            scatter(axis, x[chosen], view.scores[chosen], view.limits, **style)
    failed = shown & np.array([state.has_failed() for state in states], dtype=bool)
    if failed.any():
        at = view.limits[0] if view.mode == "max" else view.limits[1]
        style = {"marker": "x", "s": size, "color": RED, "clip_on": False, "zorder": 4}
        axis.scatter(x[failed], np.full(int(failed.sum()), at), label="failed", **style)
    best = [place for place in view.ranked[:1] if shown[place]]
    if best:
        style = {"marker": "*", "s": 90, "color": COLOURS[1], "edgecolors": "white", "zorder": 5}
        axis.scatter(x[best], view.scores[best], linewidths=0.6, label="best", **style)
