"""What all pictures have in common: colours, fonts, the zoom, arrows for what lies beyond it."""

from __future__ import annotations

import math
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLOURS = ("#0b6e99", "#d9730d", "#448361", "#9065b0", "#c14c8a")
"""Of the first ranks; they differ in lightness too, for prints and colour-blind eyes."""
GREY, RED, DARK = "#9b9a97", "#c4342d", "#55534e"
_FAR = 2.5
"""Scores this many times as far from the best as the median is are not zoomed out for; twice
would keep all of an even spread."""
_TALLEST = 60.0
"""Inches; a picture of more than 65,535 pixels cannot be written."""

_LETTERS_PER_INCH = 11
"""Of the title."""

Limits = tuple[float, float]


@contextmanager
def drawing() -> Iterator[None]:
    """Within it figures get RayGen's look; they must be written within it too."""
    import matplotlib.style  # slow to import

    with warnings.catch_warnings(), matplotlib.style.context(["default", _style()]):
        warnings.filterwarnings("ignore", message="Glyph")  # a name in a script the font lacks
        yield


def new_figure(width: float, height: float, title: str = "") -> Any:
    """An empty matplotlib Figure of so many inches, with its title at the left."""
    from matplotlib.figure import Figure  # without pyplot, which would look for a display

    figure = Figure(figsize=(width, min(height, _TALLEST)), dpi=150, layout="constrained")
    if title:
        lines = textwrap.fill(title, round(_LETTERS_PER_INCH * width))
        figure.suptitle(lines, x=0.01, ha="left", fontsize=11)
    return figure


def write_figure(figure: Any, path: Path) -> Path:
    """Write a figure as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png")
    return path


def zoom(scores: Sequence[float], usual: Sequence[float], *, mode: str) -> Limits:
    """A stretch of the axis that holds all scores but those of trainings that blew up.

    Args:
        scores: What to show.
        usual: Scores whose median tells how far from the best is still usual.
        mode: "max" or "min", which tells which end is the best.
    """
    sign = -1.0 if mode == "max" else 1.0
    bad = np.array([sign * score for score in scores if math.isfinite(score)])
    if not bad.size:
        return (0.0, 1.0)
    best = float(bad.min())
    median = float(np.median([sign * score for score in usual])) if len(usual) else best
    kept = bad[bad <= best + _FAR * max(median - best, 0.1 * abs(best), 1e-12)]
    low, high = sorted((sign * best, sign * float(kept.max())))
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    return (low - margin, high + margin)


def scatter(
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
    axis.scatter(x[inside], y[inside], **{"linewidths": 0, "alpha": 0.75} | style)
    style.pop("label", None)
    markers = ("v", "^") if along == "y" else ("<", ">")
    beyond = (scores < limits[0], scores > limits[1])
    for marker, edge, out in zip(markers, limits, beyond, strict=True):
        place = np.full(int(out.sum()), edge)
        points = (x[out], place) if along == "y" else (place, y[out])
        axis.scatter(*points, **{"clip_on": False} | style | {"marker": marker})


def frame(
    axis: Any, *, xlim: Limits, ylim: Limits, xlabel: str, counts: bool = False, below: float = 0.16
) -> None:
    """Limits, label and ticks; the legend lies below, where it hides nothing.

    Args:
        axis: Where.
        xlim: From left to right.
        ylim: From bottom to top.
        xlabel: What is along the x axis.
        counts: Whether that is something whole.
        below: How far below the axis the legend lies, as a share of its height.
    """
    from matplotlib.ticker import MaxNLocator

    axis.set(xlim=xlim, ylim=ylim, xlabel=xlabel)
    axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=counts, min_n_ticks=1))
    if axis.get_legend_handles_labels()[1]:
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, -below), "ncols": 5}
        plain_legend(axis.legend(**place, columnspacing=1, handlelength=1.2, handletextpad=0.5))


def plain_legend(legend: Any) -> None:
    """Points of a legend as large as they must be to be seen, however small they are drawn."""
    for handle in legend.legend_handles:
        handle.set_alpha(1.0)
        if hasattr(handle, "set_sizes"):
            handle.set_sizes([max(18.0, *handle.get_sizes())])


def colour_of(place: int) -> str:
    """The colour of a rank, counted from 0."""
    return COLOURS[place] if place < len(COLOURS) else DARK


def _style() -> dict[str, Any]:
    return {
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.alpha": 0.25,
        "legend.frameon": False,
        "legend.fontsize": 8,
        "axes.formatter.useoffset": False,
        "text.parse_math": False,  # a name may hold a dollar
    }
