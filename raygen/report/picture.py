"""Draws a run: its learning curves, how the search got better, the folds of the ranked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from raygen.report.canvas import (
    COLOURS,
    DARK,
    GREY,
    Limits,
    colour_of,
    drawing,
    frame,
    new_figure,
    scatter,
    write_figure,
    zoom,
)
from raygen.report.progress import by_trials, draw_progress
from raygen.report.tables import badness, has_score
from raygen.report.texts import count_text
from raygen.report.view import view_of
from raygen.runs.records import History, TrialRecord
from raygen.runs.together import together_rows

_MOST_ENTRIES = 12


def draw_run(history: History, board: Mapping[str, Any] | None, path: Path) -> None:
    """Write a PNG of the run, 12 by 4 inches; needs no display.

    Args:
        history: What the journal says.
        board: What ``raygen show --json`` prints; None or without entries before the ranking.
        path: File to write.
    """
    entries = list(board["entries"]) if board else []
    name = str(board["name"]) if board else ""
    view = view_of(history, name=name)
    with drawing():
        figure = new_figure(12, 4, view.headline)
        axes = figure.subplots(1, 3 if entries else 2, squeeze=False)[0]
        limits = _limits_of(history)
        _draw_curves(axes[0], history, [entry["trial_id"] for entry in entries], limits)
        draw_progress(axes[1], view, by_trials(view), limits)
        if entries and board is not None:
            together = [row for row in together_rows(board) if row["folds"]]
            _draw_folds(axes[2], entries, together, history, dict(board["test"]))
        write_figure(figure, path)


def _scored(history: History) -> list[TrialRecord]:
    """The trials whose last score counts, in the order in which they were begun."""
    return [trial for trial in history.trials.values() if has_score(trial)]


def _best_first(history: History) -> list[TrialRecord]:
    return sorted(_scored(history), key=lambda t: badness(t.curve[-1], history.mode))


def _limits_of(history: History) -> Limits:
    """The limits of the curves, of which the first jumps may leave the picture."""
    curves = [trial.curve for trial in _scored(history)]
    later = [score for curve in curves for score in curve[len(curve) // 4 :]]
    return zoom(later, [curve[-1] for curve in curves], mode=history.mode)


def _draw_curves(axis: Any, history: History, ranked: Sequence[str], limits: Limits) -> None:
    """All learning curves: the ranked ones strong, the others faint."""
    from matplotlib.collections import LineCollection

    strong = ranked or [trial.trial_id for trial in _best_first(history)[:1]]
    faint = [t for t in history.trials.values() if t.curve and t.trial_id not in strong]
    strength = min(0.5, max(0.06, 12 / max(len(faint), 1)))
    lines = [np.column_stack([np.arange(1, len(t.curve) + 1), t.curve]) for t in faint]
    axis.add_collection(LineCollection(lines, colors=GREY, linewidths=0.9, alpha=strength))
    ends = np.array([line[-1] for line in lines]).reshape(-1, 2)
    axis.scatter(*ends.T, s=6, color=GREY, alpha=strength, linewidths=0)
    for place, trial_id in enumerate(strong):
        curve = history.trials[trial_id].curve
        named = place < len(COLOURS)
        style = {"color": colour_of(place), "lw": 1.8 if named else 0.8, "zorder": 4 - place / 1000}
        style |= {"marker": "o"} if len(curve) == 1 else {}
        label = f"{place + 1}. {trial_id}" if ranked else f"best: {trial_id}"
        axis.plot(range(1, len(curve) + 1), curve, label=label if named else None, **style)
    longest = max((len(trial.curve) for trial in history.trials.values()), default=1)
    frame(axis, xlim=(0.5, max(longest, 1) + 0.5), ylim=limits, xlabel="epoch", counts=True)
    axis.set_ylabel(f"{history.metric} (fold 0)")
    better = "higher is better" if history.mode == "max" else "lower is better"
    axis.set_title(f"What each trial learned: {better}")


def _draw_folds(
    axis: Any,
    entries: Sequence[Mapping[str, Any]],
    together: Sequence[Mapping[str, Any]],
    history: History,
    test: Mapping[str, Any],
) -> None:
    """The folds of each ranked candidate and of several together, mean and standard deviation."""
    candidates, metric, mode = entries[:_MOST_ENTRIES], history.metric, history.mode
    shown = [*candidates, *together]
    tested = [float(test[metric])] if metric in test else []
    scores = [score for entry in shown for score in entry["folds"]]
    limits = zoom([*scores, *tested], [entry["mean"] for entry in shown], mode=mode)
    for place, entry in enumerate(shown):
        folds = np.array(entry["folds"], dtype=float)
        colour = colour_of(place) if place < len(candidates) else DARK
        style = {"color": colour, "zorder": 3}
        scatter(axis, folds, np.full(len(folds), float(place)), limits, along="x", s=16, **style)
        spread = entry["std"] if math.isfinite(entry["std"] or math.nan) else 0.0
        bar = {"fmt": "|", "ms": 16, "mew": 2, "elinewidth": 5, "alpha": 0.45}
        axis.errorbar(entry["mean"], place, xerr=spread, color=colour, **bar)
    if tested:
        label = "the winner on the test rows"
        axis.scatter(tested, [0], marker="*", s=70, color="black", label=label, zorder=4)
    labels = [
        f"{e['rank']}. {e['trial_id']}\n{count_text(e['num_parameters'])} params"
        for e in candidates
    ]
    labels += [f"{e['rank']} {e['trial_id']}\nno single candidate" for e in together]
    axis.set_yticks(range(len(shown)), labels, fontsize=8 if len(shown) <= 6 else 6)
    ylim = (len(shown) - 0.5, -0.5)
    frame(axis, xlim=limits, ylim=ylim, xlabel=f"{metric}: folds, mean, standard deviation")
    left = len(entries) > len(candidates)
    more = f" (first {len(candidates)} of {len(entries)})" if left else ""
    axis.set_title(f"How sure the ranking is{more}")
