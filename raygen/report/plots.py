"""Which pictures of a search are there, as files and as numbers?

``draw_search(history, space, "runs/digits")`` writes all that can be drawn to ``plots/``.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

from raygen.config.space import Space
from raygen.errors import ConfigError, RaygenError, RunError
from raygen.report.advice import advice_of
from raygen.report.canvas import drawing, write_figure
from raygen.report.curves import (
    check_curves,
    precision_recall_figure,
    precision_recall_numbers,
    roc_figure,
    roc_numbers,
)
from raygen.report.held_out import (
    calibration_figure,
    calibration_numbers,
    check_calibration,
    check_confusion,
    check_residuals,
    confusion_figure,
    confusion_numbers,
    residuals_figure,
    residuals_numbers,
)
from raygen.report.importance import check_importances, importance_figure, importances
from raygen.report.nested import check_nested, nested_figure, nested_numbers
from raygen.report.parallel import parallel_figure, parallel_numbers
from raygen.report.pareto import check_pareto, pareto_figure, pareto_numbers
from raygen.report.progress import progress_figure, progress_numbers
from raygen.report.rungs import rungs_figure, rungs_numbers
from raygen.report.schedules import check_schedules, schedules_figure, schedules_numbers
from raygen.report.slices import slices_figure, slices_numbers
from raygen.report.verdicts import (
    check_folds,
    check_posterior,
    check_ranks,
    folds_figure,
    folds_numbers,
    posterior_figure,
    posterior_numbers,
    ranks_figure,
    ranks_numbers,
)
from raygen.report.view import SearchView, view_of
from raygen.runs.paths import RunPaths
from raygen.runs.records import History


@dataclass(frozen=True)
class Plot:
    """One picture."""

    shows: str
    figure: Callable[[SearchView], Any]
    """Gives a matplotlib Figure."""
    numbers: Callable[[SearchView], Any]
    """Gives what the figure draws."""
    check: Callable[[SearchView], None]
    """Raises a RaygenError where there is nothing to draw."""


def draw_search(
    history: History,
    space: Space,
    folder: str | Path,
    *,
    names: Sequence[str] | None = None,
    name: str = "",
    board: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write pictures of a search as ``plots/<name>.png``.

    Args:
        history: What the journal says.
        space: What was searched.
        folder: Of the run.
        names: Keys of ``PLOTS``; None for all that can be drawn.
        name: Of the experiment, for the titles.
        board: What ``raygen show --json`` prints, if it is ranked.

    Returns:
        The files, in the order of the names.

    Raises:
        ConfigError: There is no picture of a name.
        RunError: A named picture has nothing to show yet.
        EnvironmentProblem: A named picture needs a package that is not installed.
    """
    view = view_of(history, space, name=name, board=board)
    chosen = drawable(view) if names is None else known_names(names)
    written = []
    for each in chosen:
        PLOTS[each].check(view)
        with drawing():
            path = RunPaths(Path(folder)).plots / f"{each}.png"
            written.append(write_figure(PLOTS[each].figure(view), path))
    return written


def search_data(
    history: History, space: Space, *, board: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The numbers of every picture, and the advice, as JSON can hold them; NaN becomes None.

    Returns:
        Under the name of each picture its numbers, or ``{"refused": why}``.
    """
    view = view_of(history, space, board=board)
    data: dict[str, Any] = {"metric": view.metric, "mode": view.mode}
    reasons = refusals(view)
    for each, plot in PLOTS.items():
        data[each] = {"refused": reasons[each]} if each in reasons else plot.numbers(view)
    data["advice"] = advice_of(view)
    plain: dict[str, Any] = _plain(data)
    return plain


def refusals(view: SearchView) -> dict[str, str]:
    """Why pictures cannot be drawn, by their names."""
    reasons = {}
    for each, plot in PLOTS.items():
        try:
            plot.check(view)
        except RaygenError as error:
            told = ", ".join(part for part in (error.problem, error.must) if part)
            reasons[each] = f"{each} ({told})"
    return reasons


def drawable(view: SearchView) -> list[str]:
    """Names of the pictures that can be drawn."""
    reasons = refusals(view)
    return [each for each in PLOTS if each not in reasons]


def known_names(names: Sequence[str]) -> list[str]:
    """The names, each once.

    Raises:
        ConfigError: There is no picture of a name.
    """
    for name in names:
        if name not in PLOTS:
            near = difflib.get_close_matches(name, PLOTS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(PLOTS)}"
            raise ConfigError(f"no picture {name!r}", where="--plot", must=hint)
    return list(dict.fromkeys(names))


def _check_trials(view: SearchView) -> None:
    if not view.trials:
        raise RunError("no trial has begun yet", remedy="wait for the first")


def _check_parameters(view: SearchView) -> None:
    _check_trials(view)
    if not view.parameters:
        raise RunError("no parameter has two values", must="a picture of values needs some")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {key: _plain(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_plain(entry) for entry in value]
        case _:
            return value


PLOTS: dict[str, Plot] = {
    "progress": Plot(
        "the best score so far, against trials and against seconds",
        progress_figure,
        progress_numbers,
        _check_trials,
    ),
    "parallel": Plot(
        "parallel coordinates: each trial is a line through its values to its score",
        parallel_figure,
        parallel_numbers,
        _check_parameters,
    ),
    "slices": Plot(
        "the score against each parameter", slices_figure, slices_numbers, _check_parameters
    ),
    "importance": Plot(
        "how much each parameter matters", importance_figure, importances, check_importances
    ),
    "rungs": Plot(
        "how many trials reached each epoch, and what became of the others",
        rungs_figure,
        rungs_numbers,
        _check_trials,
    ),
    "schedules": Plot(
        "population based training: values over epochs, and who copied whom",
        schedules_figure,
        schedules_numbers,
        check_schedules,
    ),
    "pareto": Plot(
        "several metrics: the candidates that no other beats",
        pareto_figure,
        pareto_numbers,
        check_pareto,
    ),
    "folds": Plot(
        "the folds of the ranked candidates, their means and 95 % intervals",
        folds_figure,
        folds_numbers,
        check_folds,
    ),
    "posterior": Plot(
        "how probably each is worse than the first, practically the same, or better",
        posterior_figure,
        posterior_numbers,
        check_posterior,
    ),
    "ranks": Plot(
        "mean ranks over the repeats, and the critical difference",
        ranks_figure,
        ranks_numbers,
        check_ranks,
    ),
    "confusion": Plot(
        "the held-out rows of each class, by what the first took them for",
        confusion_figure,
        confusion_numbers,
        check_confusion,
    ),
    "calibration": Plot(
        "how often the first is right, against how sure it is",
        calibration_figure,
        calibration_numbers,
        check_calibration,
    ),
    "roc": Plot(
        "the share of each class that the first finds, against the false ones it takes for it",
        roc_figure,
        roc_numbers,
        check_curves,
    ),
    "precision-recall": Plot(
        "how much of what the first takes for a class is right, against the share it finds",
        precision_recall_figure,
        precision_recall_numbers,
        check_curves,
    ),
    "nested": Plot(
        "what each outer fold's winner scores on the rows left out, and what it was chosen by",
        nested_figure,
        nested_numbers,
        check_nested,
    ),
    "residuals": Plot(
        "how far off the first is, over what it predicts",
        residuals_figure,
        residuals_numbers,
        check_residuals,
    ),
}
"""Every picture, in the order in which they are drawn."""
