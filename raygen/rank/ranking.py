"""Which of the best candidates is best? By the folds of the data, or else by what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from raygen.execute.pool import Pool
from raygen.execute.run import Run
from raygen.rank.checks import check_rows
from raygen.rank.crossval import best_trials, crossvalidate, fit_winner, terms_of
from raygen.rank.ensemble import ensemble_of
from raygen.rank.folds import ranking_json
from raygen.rank.leaderboard import Entry
from raygen.rank.out_of_fold import Predictions, describe, never_predicted, read_predictions
from raygen.rank.repeats import rank_repeats


def rank(run: Run, *, fits: bool) -> list[Entry]:
    """Rank the best candidates, best first; none if the run is interrupted.

    Args:
        run: Its search is done.
        fits: Whether the winner is trained on all rows too, if there are folds.

    Raises:
        TrialError: No candidate could be ranked.
    """
    if not run.blueprint.folds:
        return rank_repeats(run)
    check_rows(run)
    with Pool(run) as pool:
        entries = crossvalidate(run, pool)
        if entries and fits:
            fit_winner(run, pool, entries[0])
    found = _predictions(run, entries)
    spec = getattr(run.blueprint, "spec", None)  # networks and pretrained models have one
    classes, y = getattr(spec, "classes", ()), _targets(run)
    return [_with(entry, found.get(entry.trial_id), y, classes) for entry in entries]


def _with(
    entry: Entry, found: Predictions | None, y: np.ndarray, classes: Sequence[str | int]
) -> Entry:
    """An entry with what its predictions of held-out rows say, where these are kept."""
    if found is None or entry.verdict is None:
        return entry
    told = describe(found, y, classes)
    missing = never_predicted(told)
    diagnosis = (*entry.verdict.diagnosis, *([missing] if missing else ()))
    return replace(entry, held_out=told, verdict=replace(entry.verdict, diagnosis=diagnosis))


def _predictions(run: Run, entries: list[Entry]) -> dict[str, Predictions]:
    """Of those whose held-out rows are all there, by trial."""
    trials = {entry.trial_id: run.paths.trial(entry.trial_id) for entry in entries}
    found = {
        name: read_predictions(trial, run.experiment.rank.folds) for name, trial in trials.items()
    }
    y = _targets(run)
    return {name: each for name, each in found.items() if each is not None and each.fits(y)}


def _targets(run: Run) -> np.ndarray:
    import ray

    y: np.ndarray = ray.get(run.arrays)["y"]
    return y


def told_ranking(run: Run, entries: list[Entry]) -> Mapping[str, Any]:
    """What the board says of the ranking as a whole; nothing without folds."""
    if not entries or not run.blueprint.folds:
        return {}
    trial_ids = [trial.trial_id for trial in best_trials(run)]
    told = ranking_json(run.history, trial_ids, terms_of(run))
    together = ensemble_of(_predictions(run, entries), _targets(run), run.blueprint.metric)
    return {**told, "data": run.history.data, "ensemble": together}
