"""Which candidates does no other beat in every metric at once?

As in the leaderboard, only trials that were trained as long as the longest are compared. What was
stopped earlier is shown, but it has no place on a front.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raygen.errors import RunError
from raygen.report.canvas import COLOURS, DARK, GREY, Limits, new_figure, plain_legend, zoom
from raygen.report.scale import number_text, shortened
from raygen.report.texts import count_text
from raygen.report.view import SearchView
from raygen.runs.fronts import fronts
from raygen.tasks.task import Objective

Points = NDArray[np.float64]
"""(candidates, metrics), higher is better in each."""


def best_first(points: Points) -> NDArray[np.int64]:
    """The places of points, front by front, each from its best in the first metric on."""
    return np.lexsort((*(-points.T[::-1]), fronts(points)))


def objective_points(view: SearchView) -> tuple[NDArray[np.int64], Points]:
    """The trials that have a number for every metric, and these numbers as they were reported."""
    names = [each.name for each in view.objectives]
    found = [
        [float(trial.metrics.get(name, getattr(trial, name, math.nan))) for name in names]
        for trial in (view.trials[place] for place in view.ranked)
    ]
    points = np.array(found, dtype=float).reshape(-1, len(view.objectives))
    whole = np.isfinite(points).all(axis=1)
    return view.ranked[whole], points[whole]


def front_ranks(view: SearchView, places: NDArray[np.int64], points: Points) -> NDArray[np.int64]:
    """The front of each trial among those trained longest; -1 for one that was not."""
    epochs = np.array([view.trials[place].epoch for place in places], dtype=np.int64)
    longest = epochs == epochs.max(initial=0)
    ranks = np.full(len(places), -1, dtype=np.int64)
    ranks[longest] = fronts(points[longest] * _signs(view))
    return ranks


def check_pareto(view: SearchView) -> None:
    """Refuse where there is nothing to weigh against each other.

    Raises:
        RunError: The run has one metric only, or no trial has all of them.
    """
    if len(view.objectives) < 2:
        raise RunError(
            f"the run has one metric, {view.metric}",
            where="pareto",
            must="a front needs two",
        )
    if not len(objective_points(view)[0]):
        raise RunError("no trial has all metrics yet", where="pareto", must="a front needs some")


def pareto_figure(view: SearchView) -> Any:
    """Every pair of metrics as a matplotlib Figure, the front of all metrics strong."""
    places, points = objective_points(view)
    ranks = front_ranks(view, places, points)
    pairs = list(itertools.combinations(range(len(view.objectives)), 2))
    columns = min(3, len(pairs))
    rows = math.ceil(len(pairs) / columns)
    figure = new_figure(max(4.4 * columns, 7), 3.6 * rows + 0.9, view.headline)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis, (first, second) in zip(axes.flat, pairs, strict=False):
        # what costs lies along x, what is gained along y
        x, y = (second, first)
        _draw_pair(axis, view, points[:, [x, y]], ranks, (x, y))
    for axis in axes.flat[len(pairs) :]:
        axis.set_visible(False)
    axes[0, 0].set_title(
        f"{int((ranks == 0).sum())} of {int((ranks >= 0).sum())} trials trained to the end"
        " are beaten by no other"
    )
    handles, labels = axes[0, 0].get_legend_handles_labels()
    plain_legend(figure.legend(handles, labels, loc="outside lower center", ncols=3))
    return figure


def pareto_numbers(view: SearchView) -> dict[str, Any]:
    """What ``pareto_figure`` draws: the trials front by front, and the front each lies on.

    Those that were stopped earlier come last, and their front is None.
    """
    places, points = objective_points(view)
    ranks = front_ranks(view, places, points)
    signed = points * _signs(view)
    order = np.concatenate(
        [kept[best_first(signed[kept])] for kept in map(np.flatnonzero, (ranks >= 0, ranks < 0))]
    )
    names = [each.name for each in view.objectives]
    return {
        "metrics": {each.name: each.mode for each in view.objectives},
        "trials": [
            {
                "trial_id": view.trials[places[row]].trial_id,
                "epoch": view.trials[places[row]].epoch,
                "front": int(ranks[row]) if ranks[row] >= 0 else None,
                **dict(zip(names, points[row].tolist(), strict=True)),
            }
            for row in order
        ],
    }


def _signs(view: SearchView) -> Points:
    return np.array([each.sign for each in view.objectives], dtype=float)


def _draw_pair(
    axis: Any, view: SearchView, points: Points, ranks: NDArray[np.int64], pair: Sequence[int]
) -> None:
    front = ranks == 0
    beyond = np.zeros(len(points), dtype=bool)
    for column, letter in enumerate("xy"):
        values = points[:, column]
        low, high = _set_axis(axis, letter, view.objectives[pair[column]], values, values[front])
        beyond |= (values < low) | (values > high)
    size = min(16.0, max(4.0, 1500 / max(len(points), 1)))
    for some, inside, label in (
        (ranks < 0, "none", "stopped earlier"),
        (ranks > 0, GREY, "beaten"),
    ):
        shown = points[some & ~beyond]
        if len(shown):
            style = {"facecolors": inside, "edgecolors": GREY, "linewidths": 0.6, "alpha": 0.7}
            axis.scatter(*shown.T, s=size, label=label, **style)
    axis.scatter(*points[front].T, s=24, color=COLOURS[0], zorder=3, label="front")
    if len(view.objectives) == 2:  # of more metrics a line between two of them would cross points
        line = points[front][np.argsort(points[front][:, 0], kind="stable")]
        # between two points of the front nothing better is known than the worse of them
        where = "post" if view.objectives[pair[0]].mode == "min" else "pre"
        axis.step(*line.T, where=where, color=COLOURS[0], lw=1.0, zorder=2)
    if beyond.any():
        told = f"{int(beyond.sum())} others lie beyond"
        axis.set_title(told, fontsize=7, color=DARK, loc="right", y=0.0)


def _set_axis(
    axis: Any, letter: str, objective: Objective, values: Points, front: Points
) -> Limits:
    """Label, limits and scale: logarithmic where the values span two powers of ten."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    better = "higher" if objective.mode == "max" else "lower"
    along = axis.xaxis if letter == "x" else axis.yaxis
    along.set_label_text(f"{shortened(objective.name, 30)} ({better} is better)")
    if values.min() > 0 and values.max() > 100 * values.min():
        getattr(axis, f"set_{letter}scale")("log")
        along.set_major_locator(LogLocator(numticks=6))
        along.set_minor_locator(NullLocator())
        limits = (0.8 * float(values.min()), 1.25 * float(values.max()))
    else:
        along.set_major_locator(MaxNLocator(5))
        low, high = zoom(list(values), list(values), mode=objective.mode)
        margin = 0.03 * max(float(np.ptp(front)), high - low)
        limits = (min(low, float(front.min()) - margin), max(high, float(front.max()) + margin))
    counts = objective.name == "num_parameters"
    along.set_major_formatter(
        lambda value, _: count_text(round(value)) if counts else number_text(value)
    )
    getattr(axis, f"set_{letter}lim")(limits)
    return limits
