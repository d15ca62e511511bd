"""Which of the best candidates is best? By the folds of the data, or else by what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raygen.execute.pool import Pool
from raygen.execute.run import Run
from raygen.rank.checks import check_rows
from raygen.rank.crossval import best_trials, crossvalidate, fit_winner, terms_of
from raygen.rank.folds import ranking_json
from raygen.rank.leaderboard import Entry
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
    return entries


def told_ranking(run: Run, entries: list[Entry]) -> Mapping[str, Any]:
    """What the board says of the ranking as a whole; nothing without folds."""
    if not entries or not run.blueprint.folds:
        return {}
    trial_ids = [trial.trial_id for trial in best_trials(run)]
    told = ranking_json(run.history, trial_ids, terms_of(run))
    return {**told, "data": run.history.data}
