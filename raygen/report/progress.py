"""How did a search get better, trial by trial and second by second?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raygen.report.canvas import COLOURS, GREY, RED, Limits, frame, new_figure, scatter
from raygen.report.view import SearchView
from raygen.runs.records import State

_UNITS = (("hours", 3600.0, 2.0), ("minutes", 60.0, 3.0), ("seconds", 1.0, 0.0))
"""A unit, its seconds, and how many of it there must be."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Trials along an axis: where each stands, its score, and the best score up to there."""

    along: str
    places: NDArray[np.int64]
    """Of the trials among all, in the order of the axis."""
    x: NDArray[np.float64]
    scores: NDArray[np.float64]
    """NaN for a trial without one."""
    best: NDArray[np.float64]
    """NaN before the first score."""
    end: float
    """Where the axis ends."""


def by_trials(view: SearchView) -> Progress:
    """Along the number of trials begun."""
    places = np.arange(len(view.trials))
    return _progress(view, "trials begun", places, (places + 1).astype(float), len(places) + 0.5)


def by_seconds(view: SearchView) -> Progress:
    """Along the seconds of searching after which trials ended; those that run have no place."""
    clock = np.array(view.clock, dtype=float)
    places = np.flatnonzero(np.isfinite(clock))
    places = places[np.argsort(clock[places], kind="stable")]
    end = float(clock[places].max()) if len(places) else 0.0
    return _progress(view, "seconds", places, clock[places], 1.03 * max(end, 1e-3))


def progress_figure(view: SearchView) -> Any:
    """Best so far against trials and against seconds, as a matplotlib Figure."""
    figure = new_figure(10, 4, view.headline)
    axes = figure.subplots(1, 2, sharey=True)
    for axis, progress in zip(axes, (by_trials(view), by_seconds(view)), strict=True):
        draw_progress(axis, view, progress, view.limits)
    axes[0].set_ylabel(view.metric)
    axes[1].set_title(view.better.capitalize())
    return figure


def progress_numbers(view: SearchView) -> dict[str, Any]:
    """What ``progress_figure`` draws."""
    return {
        progress.along: {
            "trials": [view.trials[place].trial_id for place in progress.places],
            "x": progress.x.tolist(),
            "scores": progress.scores.tolist(),
            "best": progress.best.tolist(),
        }
        for progress in (by_trials(view), by_seconds(view))
    }


def draw_progress(axis: Any, view: SearchView, progress: Progress, limits: Limits) -> None:
    """Each trial's last score, and the best so far."""
    unit, size_s = _unit(progress)
    x, end = progress.x / size_s, progress.end / size_s
    states = [view.trials[place].state for place in progress.places]
    size = min(18.0, max(3.0, 1500 / max(len(view.trials), 1)))
    scored = np.isfinite(progress.scores)
    whole = scored & np.array([state is State.FINISHED for state in states], dtype=bool)
    for chosen, colour, label in (
        (whole, COLOURS[0], "finished"),
        (scored & ~whole, GREY, "not finished"),
    ):
        if chosen.any():
            style: dict[str, Any] = {"s": size, "color": colour, "label": label, "zorder": 3}
            scatter(axis, x[chosen], progress.scores[chosen], limits, **style)
    known = np.isfinite(progress.best)
    if known.any():
        steps = np.append(progress.best[known], progress.best[-1])
        ends = np.append(x[known], end)
        axis.step(ends, steps, where="post", color="black", lw=1.2, label="best so far")
    failed = x[[state.has_failed() for state in states]] if states else x
    if failed.size:
        at = limits[0] if view.mode == "max" else limits[1]
        style = {"marker": "x", "s": size, "color": RED, "clip_on": False, "zorder": 4}
        axis.scatter(failed, [at] * len(failed), label="failed", **style)
    counts = progress.along == "trials begun"
    xlim = (0.5, max(end, 1.5)) if counts else (0.0, end)
    frame(axis, xlim=xlim, ylim=limits, xlabel=unit, counts=counts)
    axis.set_title("How the search got better")


def _progress(
    view: SearchView, along: str, places: NDArray[np.int64], x: NDArray[np.float64], end: float
) -> Progress:
    scores = view.scores[places]
    keep = np.fmax if view.mode == "max" else np.fmin  # these pass over NaN
    best = keep.accumulate(scores) if len(scores) else scores
    return Progress(along=along, places=places, x=x, scores=scores, best=best, end=end)


def _unit(progress: Progress) -> tuple[str, float]:
    """What to write below the axis, and how many of the progress's units that is."""
    if progress.along != "seconds":
        return progress.along, 1.0
    unit, size = next((u, s) for u, s, least in _UNITS if progress.end >= least * s)
    return f"{unit} of searching", size
