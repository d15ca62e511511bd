"""What does the leaderboard say of several networks whose predictions are averaged?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raygen.execute.run import Run
from raygen.rank.crossval import terms_of
from raygen.rank.ensemble import ensemble_of
from raygen.rank.fold_models import fold_models_json
from raygen.rank.folds import mean_within, posterior_against
from raygen.rank.leaderboard import Entry
from raygen.rank.out_of_fold import Predictions
from raygen.rank.scored import sign_of


def together_json(
    run: Run,
    entries: Sequence[Entry],
    found: Mapping[str, Predictions],
    y: np.ndarray,
    rope: float,
) -> dict[str, Any] | None:
    """The row beside the candidates, by ``rank.ensemble``.

    Args:
        run: Of which this is the ranking.
        entries: The leaderboard.
        found: Predictions of held-out rows, by trial.
        y: The targets of all training rows.
        rope: The difference of two scores that makes none in practice.

    Returns:
        What ``ensemble_of`` says, with the interval of its mean, what its difference to the first
        says, and the size and training time of its members; of fold models their test scores.
        None where nothing is averaged.
    """
    kind, metric, terms = run.experiment.rank.ensemble, run.blueprint.metric, terms_of(run)
    if kind == "folds":
        return fold_models_json(run, entries[0])
    told = ensemble_of(found, y, metric) if kind == "greedy" else None
    if told is None:
        return None
    members = [entry for entry in entries if entry.trial_id in told["members"]]
    interval = mean_within(told["folds"], metric, test_share=terms.test_share)
    sign = sign_of(run.history)
    own, first = (
        [sign * score for score in folds]
        for folds in (told["folds"], entries[0].folds[: terms.folds])
    )
    return {
        "kind": kind,
        **told,
        "interval": None if interval is None else list(interval),
        "posterior": posterior_against(own, first, rope, terms),
        "num_parameters": sum(entry.num_parameters for entry in members),
        "seconds": round(sum(entry.seconds for entry in members), 3),
    }
