"""How many trials reached each epoch, and what became of the others?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raygen.report.canvas import COLOURS, GREY, RED, new_figure
from raygen.report.view import SearchView
from raygen.runs.records import State

_KINDS = {"stopped": COLOURS[1], "failed": RED, "finished": COLOURS[2], "running": GREY}
_MOST_LABELS = 10
_MOST_LINEAR = 30
"""Epochs."""


@dataclass(frozen=True, kw_only=True)
class Survival:
    """For each epoch from 0 (begun) on: how many trials reached it, and ended with it."""

    reached: NDArray[np.int64]
    ended: dict[str, NDArray[np.int64]]
    """By what became of them: stopped, failed, finished, running."""


def survival(view: SearchView) -> Survival:
    """Count the trials by the last epoch they have a score of."""
    last = np.array([len(trial.curve) for trial in view.trials], dtype=np.int64)
    kinds = np.array([_kind(trial.state) for trial in view.trials], dtype=object)
    length = int(last.max(initial=0)) + 1
    counts = np.bincount(last, minlength=length)
    return Survival(
        reached=counts[::-1].cumsum()[::-1],
        ended={kind: np.bincount(last[kinds == kind], minlength=length) for kind in _KINDS},
    )


def rungs_figure(view: SearchView) -> Any:
    """The survivors as a grey area, and those that ended as bars that hang from it."""
    from matplotlib.ticker import MaxNLocator

    found = survival(view)
    epochs = np.arange(len(found.reached))
    figure = new_figure(8, 4, view.headline)
    axis = figure.subplots()
    axis.fill_between(epochs, found.reached, step="mid", color=GREY, alpha=0.25, lw=0)
    top = found.reached.astype(float)
    for kind, counts in found.ended.items():
        some = counts > 0
        if some.any():
            width = float(np.clip(250 / len(epochs), 3, 14))
            style = {"color": _KINDS[kind], "linewidth": width, "zorder": 3}
            axis.vlines(epochs[some], (top - counts)[some], top[some], **style)
            axis.plot([], [], "s", color=_KINDS[kind], label=f"{kind} there")
        top = top - counts
    _set_epochs(axis, len(epochs) - 1)
    _label(axis, found)
    axis.set(ylim=(0, 1.15 * max(int(found.reached.max()), 1)), ylabel="trials")
    axis.yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axis.set_title("How many trials reached each epoch (grey), and what became of them there")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=4)
    return figure


def rungs_numbers(view: SearchView) -> dict[str, Any]:
    """What ``rungs_figure`` draws: lists over the epochs, from 0 on."""
    found = survival(view)
    ended = {kind: counts.tolist() for kind, counts in found.ended.items()}
    return {"reached": found.reached.tolist(), **ended}


def _kind(state: State) -> str:
    if state.has_failed():
        return "failed"
    return state.value


def _set_epochs(axis: Any, last: int) -> None:
    """Many epochs stand logarithmically: schedulers look at them in growing steps."""
    from matplotlib.ticker import MaxNLocator, NullLocator

    axis.set_xlabel("epochs trained")
    if last <= _MOST_LINEAR:
        axis.set_xlim(-0.6 - 0.02 * last, max(last, 1) + 0.6 + 0.02 * last)
        axis.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
        return
    axis.set_xscale("function", functions=(np.log1p, np.expm1))
    axis.set_xlim(-0.15, 1.15 * last)
    ticks = [0, *(d * 10**p for p in range(6) for d in (1, 2, 5) if d * 10**p <= last)]
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.xaxis.set_minor_locator(NullLocator())


def _label(axis: Any, found: Survival) -> None:
    """Tell how many reached an epoch where most end, unless two texts would overlap."""
    gone = sum(found.ended.values(), np.zeros(len(found.reached), dtype=np.int64))
    last = len(gone) - 1
    x = np.log1p(np.arange(last + 1)) if last > _MOST_LINEAR else np.arange(last + 1.0)
    told: list[int] = []
    for epoch in np.argsort(-gone, kind="stable")[: 3 * _MOST_LABELS].tolist():
        if gone[epoch] and all(abs(x[epoch] - x[other]) >= x[-1] / 16 for other in told):
            told.append(epoch)
            place = (epoch, float(found.reached[epoch]))
            move = {"textcoords": "offset points", "xytext": (0, 3)}
            axis.annotate(str(found.reached[epoch]), place, ha="center", fontsize=8, **move)
