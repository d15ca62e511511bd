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
from raygen.rank.folds import ranking_json
from raygen.rank.leaderboard import Entry
from raygen.rank.out_of_fold import describe, never_predicted, read_predictions
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
    return _with_predictions(run, entries)


def _with_predictions(run: Run, entries: list[Entry]) -> list[Entry]:
    """The entries with what their predictions of held-out rows say, where these are kept."""
    if not entries:
        return []
    import ray

    y: np.ndarray = ray.get(run.arrays)["y"]
    spec = getattr(run.blueprint, "spec", None)  # networks and pretrained models have one
    return [_with_prediction(run, entry, y, getattr(spec, "classes", ())) for entry in entries]


def _with_prediction(run: Run, entry: Entry, y: np.ndarray, classes: Sequence[str | int]) -> Entry:
    found = read_predictions(run.paths.trial(entry.trial_id), run.experiment.rank.folds)
    if found is None or entry.verdict is None or not found.fits(y):
        return entry
    told = describe(found, y, classes)
    missing = never_predicted(told)
    diagnosis = (*entry.verdict.diagnosis, *([missing] if missing else ()))
    return replace(entry, held_out=told, verdict=replace(entry.verdict, diagnosis=diagnosis))


def told_ranking(run: Run, entries: list[Entry]) -> Mapping[str, Any]:
    """What the board says of the ranking as a whole; nothing without folds."""
    if not entries or not run.blueprint.folds:
        return {}
    trial_ids = [trial.trial_id for trial in best_trials(run)]
    told = ranking_json(run.history, trial_ids, terms_of(run))
    return {**told, "data": run.history.data}
