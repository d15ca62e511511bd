"""Which of the best candidates is best? By the folds of the data, or else by what was measured."""

from __future__ import annotations

from raygen.execute.pool import Pool
from raygen.execute.run import Run
from raygen.rank.crossval import crossvalidate, fit_winner
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
    with Pool(run) as pool:
        entries = crossvalidate(run, pool)
        if entries and fits:
            fit_winner(run, pool, entries[0])
    return entries
