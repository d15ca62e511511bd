"""Tables and pictures of what ``searchers.py`` measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

MARKS = (10, 25, 50)
"""Full trainings' worth of epochs at which regrets are compared."""

ADAPTERS = {
    "raygen hyperopt": "hyperopt tpe",
    "raygen skopt-gp": "skopt gp",
    "raygen bayesopt": "bayes_opt",
    "raygen optuna-tpe": "optuna tpe",
    "raygen optuna-gp": "optuna gp",
}
"""RayGen's row to the library's own loop."""

_SHOWN = (
    "raygen auto + asha-promote",
    "raygen auto + asha",
    "raygen random + asha",
    "raygen random",
    "raygen bohb + asha",
    "raygen bohb + asha-promote",
    "raygen hyperopt",
    "raygen optuna-tpe",
    "hyperopt tpe",
    "skopt gp",
    "bayes_opt",
    "optuna tpe",
    "optuna tpe + hyperband",
    "optuna gp",
    "optuna gp + hyperband",
)
"""The curves of the picture; more could not be told apart."""

Cells = Mapping[str, np.ndarray]
"""Contestant to regrets (cells, budgets), a cell being a task with a seed."""


def write_report(found: Sequence[Mapping[str, Any]], out: Path, pictures: Path) -> None:
    """Write ``searchers.md`` beside the JSON, and ``searchers.png`` among the pictures."""
    lines: list[str] = []
    by_workers: dict[int, Cells] = {}
    for workers in sorted({each["workers"] for each in found}):
        cells, names = _cells([each for each in found if each["workers"] == workers])
        if not names:
            continue
        by_workers[workers] = cells
        lines += ["", f"**{workers} worker{'s' * (workers > 1)}**, {_counted(names)}:", ""]
        lines += _table(cells)
        lines += ["", *_adapters(cells)]
    lines += ["", *_suggestions(found)]
    (out / "searchers.md").write_text("\n".join(lines) + "\n")
    if by_workers:
        pictures.mkdir(parents=True, exist_ok=True)
        _draw(by_workers, pictures / "searchers.png")


def _cells(found: Sequence[Mapping[str, Any]]) -> tuple[Cells, list[tuple[str, int]]]:
    """The regrets of the cells that every contestant has."""
    by_name: dict[str, dict[tuple[str, int], list[float]]] = {}
    for each in found:
        cell = (each["task"], each["seed"])
        by_name.setdefault(each["contestant"], {})[cell] = each["regret"]
    common = sorted(set.intersection(*(set(cells) for cells in by_name.values())))
    return {k: np.array([cells[c] for c in common]) for k, cells in by_name.items()}, common


def _counted(names: Sequence[tuple[str, int]]) -> str:
    tasks, seeds = {task for task, _ in names}, {seed for _, seed in names}
    return f"{len(names)} searches each ({len(tasks)} tables, {len(seeds)} seed(s))"


def _table(cells: Cells) -> list[str]:
    """Mean ranks and mean and median regrets, the best mean rank of all budgets first."""
    names = list(cells)
    regrets = np.stack([cells[name] for name in names])[:, :, [mark - 1 for mark in MARKS]]
    ranks = rankdata(regrets, axis=0).mean(axis=1)
    means, medians = regrets.mean(axis=1), np.median(regrets, axis=1)
    head = [f"{what} at {mark}" for what in ("rank", "regret", "median") for mark in MARKS]
    lines = [f"| searcher | {' | '.join(head)} |", "|---" * (1 + len(head)) + "|"]
    for index in np.argsort(ranks.mean(axis=1), kind="stable"):
        shown = [
            *_shown(ranks[index], ranks.min(axis=0), "{:.1f}"),
            *_shown(means[index], means.min(axis=0), "{:.3f}"),
            *_shown(medians[index], medians.min(axis=0), "{:.3f}"),
        ]
        lines.append(f"| {names[index]} | {' | '.join(shown)} |")
    return lines


def _shown(values: np.ndarray, best: np.ndarray, form: str) -> list[str]:
    return [
        f"**{form.format(each)}**" if each <= least + 1e-12 else form.format(each)
        for each, least in zip(values, best, strict=True)
    ]


def _adapters(cells: Cells) -> list[str]:
    """How RayGen's rows do beside the libraries' own loops, search by search."""
    lines = [
        "| RayGen's row | the library's own loop | regret at 10, 25, 50 | its own | difference |",
        "|---|---|---|---|---|",
    ]
    for ours, own in ADAPTERS.items():
        if ours not in cells or own not in cells:
            continue
        here, there = (cells[name][:, [m - 1 for m in MARKS]] for name in (ours, own))
        apart = here - there
        error = apart.std(axis=0, ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else apart[0] * 0
        columns = [
            ", ".join(f"{each:.3f}" for each in here.mean(axis=0)),
            ", ".join(f"{each:.3f}" for each in there.mean(axis=0)),
            ", ".join(
                f"{m:+.3f} ± {e:.3f}" for m, e in zip(apart.mean(axis=0), error, strict=True)
            ),
        ]
        lines.append(f"| {ours} | {own} | {' | '.join(columns)} |")
    return lines if len(lines) > 2 else []


def _suggestions(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Seconds a suggestion, over all runs of a contestant."""
    lines = [
        "| searcher | trials a search | seconds a suggestion | the longest |",
        "|---|---|---|---|",
    ]
    for name in dict.fromkeys(each["contestant"] for each in found):
        runs = [each for each in found if each["contestant"] == name]
        asked = [each["ask_mean_s"] for each in runs]
        most = max(each["ask_most_s"] for each in runs)
        trials = np.mean([each["trials"] for each in runs])
        lines.append(f"| {name} | {trials:.0f} | {np.mean(asked):.3f} | {most:.2f} |")
    return lines


def _draw(by_workers: Mapping[int, Cells], path: Path) -> None:
    """Mean regret over the budget."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, len(by_workers), figsize=(6 * len(by_workers), 4.5), sharey=True, squeeze=False
    )
    colours = plt.colormaps["tab20"].colors
    for axis, (workers, cells) in zip(axes[0], by_workers.items(), strict=True):
        for index, name in enumerate(_SHOWN):
            if name in cells:
                mean = cells[name].mean(axis=0)
                ours = "auto" in name
                axis.plot(
                    np.arange(1, len(mean) + 1),
                    mean,
                    label=name,
                    color="black" if ours else colours[index],
                    linestyle="--" if name.endswith("auto + asha") else "-",
                    linewidth=2.5 if ours else 1.3,
                )
        axis.set_title(f"{workers} worker{'s' * (workers > 1)}")
        axis.set_xlabel("epochs in all, in full trainings")
        axis.set_yscale("log")
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("mean normalised regret")
    axes[0][-1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
