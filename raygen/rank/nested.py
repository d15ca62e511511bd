"""How good is what a config finds, by rows that no step of finding it has seen?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raygen.rank.folds import mean_within
from raygen.rank.statistics import mean_interval


def nested_json(boards: Sequence[Mapping[str, Any]], *, by_folds: bool) -> dict[str, Any]:
    """What the outer folds of a nested cross-validation come to.

    Each of them is a run of its own on the rows of the others, from the search to the winner,
    which is scored once on the rows that were left out (S. Varma, R. Simon: Bias in error
    estimation when using cross-validation for model selection, BMC Bioinformatics 7:91, 2006;
    G. Cawley, N. Talbot: On over-fitting in model selection, JMLR 11, 2010). Intervals are those
    of Nadeau and Bengio, as of any other folds.

    Args:
        boards: The leaderboards of these runs, in the order of their folds.
        by_folds: Whether the search scored its trials by the mean of all folds, not by fold 0.

    Returns:
        ``folds``, each with the ``score`` of its winner, the best score of the search there
        (``validation``) and the winner's mean over the inner folds (``ranked``); ``mean``,
        ``std`` and ``interval`` of the scores; and by how much the other two flatter them:
        ``optimism`` of the search, ``ranked_optimism``, each a mean with its interval.
    """
    metric, sign = boards[0]["metric"], 1 if boards[0]["mode"] == "max" else -1
    folds = [_fold(board, metric, sign, by_folds=by_folds) for board in boards]
    scores = [float(fold["score"]) for fold in folds]
    share = 1 / len(folds)
    return {
        "mean": float(np.mean(scores)),
        "std": float(np.std(scores, ddof=1)),
        "interval": mean_within(scores, metric, test_share=share),
        "optimism": _flattery(folds, "validation", sign, share),
        "ranked_optimism": _flattery(folds, "ranked", sign, share),
        "folds": folds,
    }


def _fold(board: Mapping[str, Any], metric: str, sign: int, *, by_folds: bool) -> dict[str, Any]:
    entries = board["entries"]
    seen = [sign * (each["mean"] if by_folds else each["folds"][0]) for each in entries]
    return {
        "trial_id": entries[0]["trial_id"],
        "validation": sign * max(seen),
        "ranked": entries[0]["mean"],
        "score": board["test"][metric],
    }


def _flattery(
    folds: Sequence[Mapping[str, Any]], key: str, sign: int, share: float
) -> dict[str, Any]:
    """By how much a score is better than the one on rows left out."""
    differences = [sign * (fold[key] - fold["score"]) for fold in folds]
    return {
        "mean": float(np.mean(differences)),
        "interval": mean_interval(differences, test_share=share),
    }
