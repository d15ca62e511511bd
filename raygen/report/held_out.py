"""What were the held-out rows taken for: which classes are mixed up, how sure, how far off?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from raygen.errors import RunError
from raygen.report.canvas import COLOURS, DARK, GREY, frame, new_figure
from raygen.report.view import SearchView

_CELL = 0.42
"""Inches."""
_MOST_LETTERS = 16
"""Of a label."""


def check_confusion(view: SearchView) -> None:
    """The first must have a confusion matrix.

    Raises:
        RunError: It has none.
    """
    if not told_of(view).get("confusion"):
        raise RunError("there is no confusion matrix", must="it needs at most 30 classes")


def confusion_figure(view: SearchView) -> Any:
    """The rows of each class, by what they were taken for; the diagonal is right."""
    told = told_of(view)
    counts = np.array(told["confusion"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    count = len(counts)
    side = _CELL * count + 2.2
    figure = new_figure(max(side + 1.0, 6.0), max(side, 3.4), view.headline)
    axis = figure.subplots()
    axis.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="equal")
    for true, guess in np.argwhere(counts):
        colour = "white" if shares[true, guess] > 0.5 else DARK
        axis.text(
            guess, true, counts[true, guess], color=colour, fontsize=8, ha="center", va="center"
        )
    names = [short(each["label"]) for each in told["classes"]]
    upright = max(len(name) for name in names) > 2
    axis.set_xticks(range(count), names, fontsize=8, rotation=90 if upright else 0)
    found = [
        f"{name}  ({100 * each['f1']:.0f})"
        for name, each in zip(names, told["classes"], strict=True)
    ]
    axis.set_yticks(range(count), found, fontsize=8)
    axis.set(xlabel="taken for", ylabel="class (its F1 in %)")
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    axis.set_title(f"Held-out rows of trial {first_of(view)} by class; {told['rows']} in all")
    return figure


def confusion_numbers(view: SearchView) -> dict[str, Any]:
    """What ``confusion_figure`` draws."""
    told = told_of(view)
    return {"trial_id": first_of(view), "classes": told["classes"], "confusion": told["confusion"]}


def check_calibration(view: SearchView) -> None:
    """The first must have predicted classes.

    Raises:
        RunError: It has not.
    """
    if "calibration" not in told_of(view):
        must = "they need the ranking by folds of a task with classes"
        raise RunError("there are no probabilities of held-out rows", must=must)


def calibration_figure(view: SearchView) -> Any:
    """How often predictions are right against how sure they are, and how many are so sure."""
    found = told_of(view)["calibration"]
    sure, right = (
        np.array([each[key] for each in found["bins"]]) for key in ("confidence", "accuracy")
    )
    rows = np.array([each["rows"] for each in found["bins"]])
    figure = new_figure(6, 5.6, view.headline)
    top, bottom = figure.subplots(2, height_ratios=(3, 1), sharex=True)
    top.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--", label="calibrated")
    low, high = _wilson(right, rows)
    top.vlines(sure, low, high, color=COLOURS[0], lw=1.4)
    style = {"color": COLOURS[0], "marker": "o", "ms": 5, "lw": 1.4}
    top.plot(sure, right, label="held-out rows, with 95 % intervals", **style)
    top.set(ylim=(-0.02, 1.02), ylabel="share that is right")
    top.legend(loc="lower right")
    top.set_title(f"Trial {first_of(view)}: expected calibration error {found['ece']:.3f}")
    bottom.bar(sure, rows, width=0.045, color=COLOURS[0], alpha=0.5)
    bottom.set(ylabel="rows")
    label = "probability of the likeliest class, mean of each of 15 bins"
    frame(bottom, xlim=(-0.02, 1.02), ylim=(0, 1.08 * float(rows.max())), xlabel=label)
    return figure


def _wilson(share: Any, rows: Any) -> tuple[list[float], list[float]]:
    """Between what the true shares lie, with 95 % confidence (E. Wilson, 1927)."""
    from scipy.stats import binomtest  # slow to import

    found = [
        binomtest(round(part * count), int(count)).proportion_ci(method="wilson")
        for part, count in zip(share, rows, strict=True)
    ]
    return [each.low for each in found], [each.high for each in found]


def calibration_numbers(view: SearchView) -> dict[str, Any]:
    """What ``calibration_figure`` draws."""
    return {"trial_id": first_of(view), **told_of(view)["calibration"]}


def check_residuals(view: SearchView) -> None:
    """The first must have predicted values.

    Raises:
        RunError: It has not.
    """
    if "residuals" not in told_of(view):
        must = "they need the ranking by folds of a regression"
        raise RunError("there are no residuals of held-out rows", must=must)


def residuals_figure(view: SearchView) -> Any:
    """The median and the quartiles of the residuals over tenths of the predictions."""
    told = told_of(view)
    parts = told["by_prediction"]
    x, low, middle, high = (
        np.array([part[key] for part in parts]) for key in ("predicted", "low", "median", "high")
    )
    figure = new_figure(8, 4.2, view.headline)
    axis = figure.subplots()
    axis.axhline(0.0, color=GREY, lw=1, ls="--")
    axis.fill_between(x, low, high, color=COLOURS[0], alpha=0.25, lw=0, label="middle half")
    axis.plot(x, middle, color=COLOURS[0], marker="o", ms=5, label="median")
    reach = 1.1 * float(np.abs([*low, *high]).max()) or 1.0
    margin = 0.04 * float(np.ptp(x)) or 1.0
    xlim = (float(x.min()) - margin, float(x.max()) + margin)
    frame(
        axis, xlim=xlim, ylim=(-reach, reach), xlabel="prediction, mean of each tenth of the rows"
    )
    axis.set_ylabel("target less prediction")
    left = told["residuals"]
    axis.set_title(
        f"Residuals of trial {first_of(view)} on {told['rows']} held-out rows: mean "
        f"{left['mean']:.3g}, standard deviation {left['std']:.3g}"
    )
    return figure


def residuals_numbers(view: SearchView) -> dict[str, Any]:
    """What ``residuals_figure`` draws."""
    told = told_of(view)
    keys = ("residuals", "by_prediction")
    return {"trial_id": first_of(view), **{key: told[key] for key in keys}}


def told_of(view: SearchView) -> Mapping[str, Any]:
    """What the first one's predictions say; nothing before the ranking."""
    entries = (view.board or {}).get("entries") or [{}]
    told: Mapping[str, Any] = entries[0].get("held_out") or {}
    return told


def first_of(view: SearchView) -> str:
    """The trial that is first."""
    return str((view.board or {})["entries"][0]["trial_id"])


def short(label: object) -> str:
    """A label of which the end is left out if it is long."""
    text = str(label)
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 3]}..."
