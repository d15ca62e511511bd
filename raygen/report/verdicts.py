"""How sure is the ranking: the folds of each candidate, their differences, their ranks?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raygen.errors import RunError
from raygen.report.canvas import COLOURS, DARK, GREY, colour_of, frame, new_figure, scatter, zoom
from raygen.report.view import SearchView
from raygen.runs.together import together_rows

_MOST = 12
"""Candidates in one picture."""
_ROW = 0.42
"""Inches."""
_BUTT = {"solid_capstyle": "butt"}
"""Ends a thick line where it ends, and not half its width later."""


def check_folds(view: SearchView) -> None:
    """There must be candidates with folds.

    Raises:
        RunError: There are none.
    """
    if not any("tied" in entry for entry in _entries(view)):
        raise RunError("nothing is ranked by folds", must="a picture of folds needs some")


def folds_figure(view: SearchView) -> Any:
    """A strip of points for each candidate, its mean and interval; tied ones are filled."""
    entries, tied = [*_entries(view)[:_MOST], *_together(view)], 0
    scores = [score for entry in entries for score in entry["folds"]]
    limits = zoom(scores, [entry["mean"] for entry in entries], mode=view.mode)
    figure = new_figure(8, 1.8 + _ROW * len(entries), view.headline)
    axis = figure.subplots()
    spread = np.random.default_rng(0)  # so that equal scores can be seen
    for place, entry in enumerate(entries):
        folds, colour = np.array(entry["folds"], dtype=float), _colour(entry, tied)
        tied += bool(entry.get("tied"))
        y = place + spread.uniform(-0.16, 0.16, size=len(folds))
        scatter(axis, folds, y, limits, along="x", s=14, color=colour, zorder=3)
        low, high = entry.get("interval") or (entry["mean"], entry["mean"])
        axis.plot([low, high], [place, place], color=colour, lw=7, alpha=0.25, zorder=1, **_BUTT)
        _mark_ends(axis, (low, high), limits, place, colour)
        face = colour if entry.get("tied", True) else "white"
        style = {"color": colour, "mfc": face, "ms": 8, "zorder": 4}
        axis.plot([entry["mean"]], [place], "D" if "tied" in entry else "P", **style)
    axis.plot([], [], "D", color=DARK, ms=6, ls="", label="mean, tied for first")
    axis.plot([], [], "D", color=DARK, mfc="white", ms=6, ls="", label="mean, worse")
    if _together(view):
        label = "mean together, no single candidate"
        axis.plot([], [], "P", color=DARK, ms=6, ls="", label=label)
    axis.plot([], [], color=DARK, lw=5, alpha=0.25, label="95 % interval of the mean", **_BUTT)
    _name_rows(axis, entries)
    ylim = (len(entries) - 0.5, -0.5)
    frame(
        axis, xlim=limits, ylim=ylim, xlabel=f"{view.metric}, {view.better}", below=_below(entries)
    )
    axis.set_title(_of_many("Each point is a fold", view))
    return figure


def _mark_ends(
    axis: Any, interval: Sequence[float], limits: Sequence[float], place: int, colour: str
) -> None:
    """Mark an interval that goes on beyond the picture."""
    for beyond, edge, mark in (
        (interval[0] < min(limits), min(limits), "<"),
        (interval[1] > max(limits), max(limits), ">"),
    ):
        if beyond:
            axis.plot([edge], [place], mark, color=colour, ms=6, clip_on=False, zorder=5)


def folds_numbers(view: SearchView) -> list[dict[str, Any]]:
    """What ``folds_figure`` draws, one mapping a candidate, and last that of several together."""
    keys = ("rank", "trial_id", "folds", "mean", "interval", "tied", "folds_run")
    return [{key: row.get(key) for key in keys} for row in [*_entries(view), *_together(view)]]


def check_posterior(view: SearchView) -> None:
    """There must be two candidates with two folds.

    Raises:
        RunError: There are fewer.
    """
    if not _compared(view):
        raise RunError("no two candidates are ranked by folds", must="a difference needs two")


def posterior_figure(view: SearchView) -> Any:
    """The density of each candidate's difference to the first, with the ROPE in grey."""
    entries, first = _compared(view)[:_MOST], _entries(view)[0]
    rope = _board(view)["terms"]["rope"]
    figure = new_figure(8, 1.6 + 1.5 * _ROW * len(entries), view.headline)
    axis = figure.subplots()
    reach = max(_reach(entry["posterior"]) for entry in entries)
    usual = float(np.median([_reach(entry["posterior"]) for entry in entries]))
    reach = max(min(reach, 3 * usual), 2 * rope) or 1.0
    values = np.linspace(-reach, reach, 601)
    axis.axvspan(-rope, rope, color=GREY, alpha=0.25, lw=0)
    axis.axvline(0.0, color=GREY, lw=0.8)
    for place, entry in enumerate(entries):
        found = entry["posterior"]
        density = _density(values, found)
        curve = place + 0.4 - 0.75 * density / max(float(density.max()), 1e-300)
        colour = colour_of(place % len(COLOURS))
        axis.fill_between(values, place + 0.4, curve, color=colour, alpha=0.35, lw=0, zorder=3)
        axis.plot(values, curve, color=colour, lw=1.2, zorder=4)
        told = (f"{100 * found[name]:.0f} %" for name in ("worse", "same", "better"))
        axis.annotate(
            "worse {}, same {}, better {}".format(*told),
            (1.01, place),
            xycoords=("axes fraction", "data"),
            fontsize=8,
            va="center",
        )
    _name_rows(axis, entries)
    label = f"difference of {view.metric} to trial {first['trial_id']}; right is better"
    frame(axis, xlim=(-reach, reach), ylim=(len(entries) - 0.5, -0.6), xlabel=label)
    grey = f" (grey: within {rope:.3g}, the same in practice)" if rope else ""
    axis.set_title(f"Where each true difference lies{grey}")
    return figure


def posterior_numbers(view: SearchView) -> dict[str, Any]:
    """What ``posterior_figure`` draws: the first, the ROPE, and Student's t of each other."""
    return {
        "first": _entries(view)[0]["trial_id"],
        "rope": _board(view)["terms"]["rope"],
        "posteriors": {entry["trial_id"]: entry["posterior"] for entry in _compared(view)},
    }


def check_ranks(view: SearchView) -> None:
    """There must be three candidates with all folds, and two repeats.

    Raises:
        RunError: There are not.
    """
    if not _board(view).get("ranks"):
        must = "mean ranks need rank.repeats of 2 and three candidates with all folds"
        raise RunError("there are no mean ranks", must=must)


def ranks_figure(view: SearchView) -> Any:
    """The mean ranks on a line, and bars over those that are not told apart."""
    found = ranks_numbers(view)
    ranks = sorted(found["mean_ranks"].items(), key=lambda pair: float(pair[1]))
    count, critical = len(ranks), found["critical_difference"]
    groups = _groups([rank for _, rank in ranks], critical)
    half = (count + 1) // 2
    figure = new_figure(8, 1.6 + 0.26 * half + 0.14 * len(groups), view.headline)
    axis = figure.subplots()
    axis.hlines(0, 1, count, color=DARK, lw=1)
    for rank in range(1, count + 1):
        axis.plot([rank, rank], [0, 0.25], color=DARK, lw=1)
        axis.text(rank, 0.4, str(rank), ha="center", va="bottom", fontsize=9)
    start = -0.5 - 0.5 * len(groups)
    for place, (name, rank) in enumerate(ranks):
        left = place < half
        y = start - (place if left else count - 1 - place)
        end, align = (0.8, "right") if left else (count + 0.2, "left")
        axis.plot([rank, rank, end], [0, y, y], color=colour_of(place), lw=1.2)
        told = f"{name} ({rank:.2f})"
        axis.text(end + (-0.05 if left else 0.05), y, told, ha=align, va="center", fontsize=9)
    for place, (low, high) in enumerate(groups):
        y = -0.4 - 0.5 * place
        axis.plot([low - 0.04, high + 0.04], [y, y], color="black", lw=4, solid_capstyle="butt")
    axis.plot([1, min(1 + critical, count + 0.9)], [1.6, 1.6], color=DARK, lw=2)
    told = f"critical difference {critical:.2f}"
    axis.text(1, 1.75, told, ha="left", va="bottom", fontsize=8)
    axis.set(xlim=(-0.3, count + 1.3), ylim=(start - half, 2.6))
    axis.axis("off")
    axis.set_title(
        f"Mean ranks over {found['blocks']} repeats, 1 is best; bars join what is not told apart "
        f"(Friedman p = {found['p']:.2g})"
    )
    return figure


def ranks_numbers(view: SearchView) -> dict[str, Any]:
    """What ``ranks_figure`` draws."""
    found: dict[str, Any] = _board(view)["ranks"]
    return found


def _board(view: SearchView) -> Mapping[str, Any]:
    return view.board or {}


def _entries(view: SearchView) -> list[Mapping[str, Any]]:
    return list(_board(view).get("entries", ()))


def _together(view: SearchView) -> list[dict[str, Any]]:
    """The row of several networks that predict together, if folds have scored it."""
    return [row for row in together_rows(_board(view)) if row["folds"]]


def _compared(view: SearchView) -> list[Mapping[str, Any]]:
    """The others than the first, with what is known of their difference to it."""
    return [entry for entry in _entries(view)[1:] if entry.get("posterior")]


def _density(values: Any, found: Mapping[str, float]) -> Any:
    from scipy import stats  # slow to import

    scale = found["scale"] or float(values[1] - values[0])  # certain: a peak of one point
    return stats.t.pdf(values, found["freedom"], found["mean"], scale)


def _reach(found: Mapping[str, float]) -> float:
    return abs(found["mean"]) + 3.5 * found["scale"]


def _groups(ranks: Sequence[float], critical: float) -> list[tuple[float, float]]:
    """The longest runs of sorted mean ranks that are closer than the critical difference."""
    groups: list[tuple[float, float]] = []
    for low in ranks:
        high = max(rank for rank in ranks if rank <= low + critical)
        if high > low and not any(high <= other for _, other in groups):
            groups.append((low, high))
    return groups


def _colour(entry: Mapping[str, Any], tied: int) -> str:
    if "tied" not in entry:  # of several together
        return DARK
    return colour_of(tied % len(COLOURS)) if entry["tied"] else GREY


def _name_rows(axis: Any, entries: Sequence[Mapping[str, Any]]) -> None:
    most = max(len(entry["folds"]) for entry in entries)
    names = [
        f"{entry['rank']}{'.' if 'tied' in entry else ''} {entry['trial_id']}"
        + (f" ({len(entry['folds'])} folds)" if len(entry["folds"]) < most else "")
        for entry in entries
    ]
    axis.set_yticks(range(len(entries)), names, fontsize=8)


def _below(entries: Sequence[Any]) -> float:
    """How far below the axis the legend lies, as a share of its height."""
    return 0.45 / (_ROW * max(len(entries), 1) + 0.3)


def _of_many(title: str, view: SearchView) -> str:
    count = len(_entries(view))
    return f"{title} (first {_MOST} of {count})" if count > _MOST else title
