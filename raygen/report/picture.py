"""Draws a run: its learning curves, how the search got better, the folds of the ranked."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raygen.report.tables import badness, has_score, states_text
from raygen.report.texts import count_text
from raygen.runs.records import History, State, TrialRecord
from raygen.tasks.task import METRICS

_COLOURS = ("#0b6e99", "#d9730d", "#448361", "#9065b0", "#c14c8a")
"""Of the first ranks; they differ in lightness too, for prints and colour-blind eyes."""
_GREY, _RED = "#9b9a97", "#c4342d"
_MOST_ENTRIES = 12
_FAR = 2.5
"""Scores this many times as far from the best as the median is are not zoomed out for; twice
would keep all of an even spread."""

Limits = tuple[float, float]


def draw_run(history: History, board: Mapping[str, Any] | None, path: Path) -> None:
    """Write a PNG of the run, 12 by 4 inches; needs no display.

    Args:
        history: What the journal says.
        board: What ``raygen show --json`` prints; None or without entries before the ranking.
        path: File to write.
    """
    import matplotlib.style  # slow to import
    from matplotlib.figure import Figure  # without pyplot, which would look for a display

    entries = list(board["entries"]) if board else []
    name = str(board["name"]) if board else ""
    with warnings.catch_warnings(), matplotlib.style.context(["default", _style()]):
        warnings.filterwarnings("ignore", message="Glyph")  # a name in a script the font lacks
        figure = Figure(figsize=(12, 4), dpi=150, layout="constrained")
        axes = figure.subplots(1, 3 if entries else 2, squeeze=False)[0]
        limits = _limits_of(history)
        _draw_curves(axes[0], history, [entry["trial_id"] for entry in entries], limits)
        _draw_progress(axes[1], history, limits)
        if entries and board is not None:
            _draw_folds(axes[2], entries, history.metric, dict(board["test"]))
        figure.suptitle(_headline(name, history), x=0.01, ha="left", fontsize=11, parse_math=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png")


def _style() -> dict[str, Any]:
    return {
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.25,
        "legend.frameon": False,
        "legend.fontsize": 8,
        "axes.formatter.useoffset": False,
    }


def _headline(name: str, history: History) -> str:
    short = name if len(name) <= 60 else f"{name[:57]}..."
    trials = list(history.trials.values())
    told = f"{len(trials)} trial{'' if len(trials) == 1 else 's'}"
    states = f" ({states_text(trials)})" if trials else ""
    return f"{short}: {told}{states}" if short else f"{told}{states}"


def _scored(history: History) -> list[TrialRecord]:
    """The trials whose last score counts, in the order in which they were begun."""
    return [trial for trial in history.trials.values() if has_score(trial)]


def _best_first(history: History) -> list[TrialRecord]:
    return sorted(_scored(history), key=lambda t: badness(t.curve[-1], history.metric))


def _limits_of(history: History) -> Limits:
    """The limits of the curves, of which the first jumps may leave the picture."""
    curves = [trial.curve for trial in _scored(history)]
    later = [score for curve in curves for score in curve[len(curve) // 4 :]]
    return _limits(later, [curve[-1] for curve in curves], history.metric)


def _limits(scores: Sequence[float], usual: Sequence[float], metric: str) -> Limits:
    """A stretch of the axis that holds all scores but those of trainings that blew up.

    Args:
        scores: What to show.
        usual: Scores whose median tells how far from the best is still usual.
        metric: Its direction tells which end is the best.
    """
    bad = np.array([badness(score, metric) for score in scores if math.isfinite(score)])
    if not bad.size:
        return (0.0, 1.0)
    best, median = float(bad.min()), float(np.median([badness(score, metric) for score in usual]))
    kept = bad[bad <= best + _FAR * max(median - best, 0.1 * abs(best), 1e-12)]
    low, high = sorted((badness(best, metric), badness(float(kept.max()), metric)))
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    return (low - margin, high + margin)


def _draw_curves(axis: Any, history: History, ranked: Sequence[str], limits: Limits) -> None:
    """All learning curves: the ranked ones strong, the others faint."""
    from matplotlib.collections import LineCollection

    strong = ranked or [trial.trial_id for trial in _best_first(history)[:1]]
    faint = [t for t in history.trials.values() if t.curve and t.trial_id not in strong]
    strength = min(0.5, max(0.06, 12 / max(len(faint), 1)))
    lines = [np.column_stack([np.arange(1, len(t.curve) + 1), t.curve]) for t in faint]
    axis.add_collection(LineCollection(lines, colors=_GREY, linewidths=0.9, alpha=strength))
    ends = np.array([line[-1] for line in lines]).reshape(-1, 2)
    axis.scatter(*ends.T, s=6, color=_GREY, alpha=strength, linewidths=0)
    for place, trial_id in enumerate(strong):
        curve = history.trials[trial_id].curve
        named = place < len(_COLOURS)
        style = {"color": _colour(place), "lw": 1.8 if named else 0.8, "zorder": 4 - place / 1000}
        style |= {"marker": "o"} if len(curve) == 1 else {}
        label = f"{place + 1}. {trial_id}" if ranked else f"best: {trial_id}"
        axis.plot(range(1, len(curve) + 1), curve, label=label if named else None, **style)
    longest = max((len(trial.curve) for trial in history.trials.values()), default=1)
    _frame(axis, xlim=(0.5, max(longest, 1) + 0.5), ylim=limits, xlabel="epoch")
    axis.set_ylabel(f"{history.metric} (fold 0)")
    better = "higher is better" if METRICS[history.metric] == "max" else "lower is better"
    axis.set_title(f"What each trial learned: {better}")


def _draw_progress(axis: Any, history: History, limits: Limits) -> None:
    """Each trial's last score, and the best so far."""
    numbers = {trial_id: number for number, trial_id in enumerate(history.trials, start=1)}
    trials, count = _scored(history), max(len(numbers), 1)
    x = np.array([numbers[trial.trial_id] for trial in trials], dtype=float)
    y = np.array([trial.curve[-1] for trial in trials], dtype=float)
    size = min(18.0, max(3.0, 1500 / count))
    whole = np.array([trial.state is State.FINISHED for trial in trials], dtype=bool)
    for chosen, colour, label in (
        (whole, _COLOURS[0], "finished"),
        (~whole, _GREY, "not finished"),
    ):
        if chosen.any():
            _scatter(axis, x[chosen], y[chosen], limits, s=size, color=colour, label=label)
    if len(y):
        keep = np.minimum if METRICS[history.metric] == "min" else np.maximum
        steps = np.append(keep.accumulate(y), keep.reduce(y))
        ends = np.append(x, count + 0.5)
        axis.step(ends, steps, where="post", color="black", lw=1.2, label="best so far")
    failed = [numbers[t.trial_id] for t in history.trials.values() if t.state.has_failed()]
    if failed:
        at = limits[0] if METRICS[history.metric] == "max" else limits[1]
        style = {"marker": "x", "s": size, "color": _RED, "clip_on": False, "zorder": 4}
        axis.scatter(failed, [at] * len(failed), label="failed", **style)
    _frame(axis, xlim=(0.5, count + 0.5), ylim=limits, xlabel="trials begun")
    axis.set_title("How the search got better")


def _draw_folds(
    axis: Any, entries: Sequence[Mapping[str, Any]], metric: str, test: Mapping[str, Any]
) -> None:
    """The folds of each ranked candidate, their mean and standard deviation."""
    shown = entries[:_MOST_ENTRIES]
    tested = [float(test[metric])] if metric in test else []
    scores = [score for entry in shown for score in entry["folds"]]
    limits = _limits([*scores, *tested], [entry["mean"] for entry in shown], metric)
    for place, entry in enumerate(shown):
        folds = np.array(entry["folds"], dtype=float)
        style = {"color": _colour(place), "zorder": 3}
        _scatter(axis, folds, np.full(len(folds), float(place)), limits, along="x", s=16, **style)
        spread = entry["std"] if math.isfinite(entry["std"]) else 0.0
        bar = {"fmt": "|", "ms": 16, "mew": 2, "elinewidth": 5, "alpha": 0.45}
        axis.errorbar(entry["mean"], place, xerr=spread, color=_colour(place), **bar)
    if tested:
        label = "the winner on the test rows"
        axis.scatter(tested, [0], marker="*", s=70, color="black", label=label, zorder=4)
    labels = [
        f"{e['rank']}. {e['trial_id']}\n{count_text(e['num_parameters'])} params" for e in shown
    ]
    axis.set_yticks(range(len(shown)), labels, fontsize=8 if len(shown) <= 6 else 6)
    ylim = (len(shown) - 0.5, -0.5)
    _frame(axis, xlim=limits, ylim=ylim, xlabel=f"{metric}: folds, mean, standard deviation")
    more = f" (first {len(shown)} of {len(entries)})" if len(entries) > len(shown) else ""
    axis.set_title(f"How sure the ranking is{more}")


def _frame(axis: Any, *, xlim: Limits, ylim: Limits, xlabel: str) -> None:
    """What the three parts have in common; the legend lies below, where it hides nothing."""
    from matplotlib.ticker import MaxNLocator

    axis.set(xlim=xlim, ylim=ylim, xlabel=xlabel)
    counts = xlabel in ("epoch", "trials begun")
    axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=counts, min_n_ticks=1))
    if axis.get_legend_handles_labels()[1]:
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.16), "ncols": 5}
        axis.legend(**place, columnspacing=1, handlelength=1.2, handletextpad=0.5)


def _scatter(
    axis: Any,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    limits: Limits,
    *,
    along: str = "y",
    **style: Any,
) -> None:
    """Points; those beyond the limits lie on the edge as arrows that point outwards."""
    scores = y if along == "y" else x
    inside = (scores >= limits[0]) & (scores <= limits[1])
    axis.scatter(x[inside], y[inside], linewidths=0, alpha=0.75, **style)
    style.pop("label", None)
    markers = ("v", "^") if along == "y" else ("<", ">")
    beyond = (scores < limits[0], scores > limits[1])
    for marker, edge, out in zip(markers, limits, beyond, strict=True):
        place = np.full(int(out.sum()), edge)
        points = (x[out], place) if along == "y" else (place, y[out])
        axis.scatter(*points, marker=marker, clip_on=False, **style)


def _colour(place: int) -> str:
    return _COLOURS[place] if place < len(_COLOURS) else "#55534e"
