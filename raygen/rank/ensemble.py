"""How good would the ranked candidates be together?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raygen.rank.out_of_fold import Predictions
from raygen.tasks.fragments import metrics
from raygen.tasks.task import METRICS

_STEPS = 20
_MOST_NUMBERS = 50_000_000

Score = Callable[[NDArray[Any], NDArray[np.float64]], float]
"""Of targets and predictions; higher is better."""


def ensemble_of(
    found: Mapping[str, Predictions], y: NDArray[Any], metric: str
) -> dict[str, Any] | None:
    """The score of an ensemble by the predictions of held-out rows, and who is in it.

    The members that score a fold are chosen on the other folds, so that the score can be compared
    with the means of the leaderboard. Those that are named are chosen on all rows.

    Args:
        found: Of the candidates whose rows are the same, by trial.
        y: The targets of all training rows.
        metric: A key of ``METRICS``; of another there is no ensemble.

    Returns:
        ``folds``, their ``mean`` and ``std``, and how often each of the ``members`` is counted;
        ``as_written``, the ``folds`` and ``mean`` of these very members, which the program of the
        ensemble repeats and which flatter it a little. None of fewer than two candidates, or where
        all have more numbers than are worth it.
    """
    if len(found) < 2 or metric not in METRICS:
        return None
    names, first = list(found), next(iter(found.values()))
    if len(names) * first.values.size > _MOST_NUMBERS:
        return None
    function, sign = getattr(metrics, metric), 1.0 if METRICS[metric] == "max" else -1.0
    all_values = np.stack([each.values for each in found.values()])
    targets = y[first.rows]

    def score(truth: NDArray[Any], guess: NDArray[np.float64]) -> float:
        return sign * float(function(truth, guess))

    def on(held: NDArray[np.bool_], chosen: list[int]) -> float:
        return sign * score(targets[held], all_values[chosen][:, held].mean(axis=0))

    folds = [first.fold == fold for fold in np.unique(first.fold)]
    scores = [on(held, select(all_values[:, ~held], targets[~held], score)) for held in folds]
    members = select(all_values, targets, score)
    written = [on(held, members) for held in folds]
    return {
        "mean": float(np.mean(scores)),
        "std": float(np.std(scores, ddof=1)) if len(scores) > 1 else None,
        "folds": scores,
        "members": dict(Counter(names[place] for place in members)),
        "as_written": {"mean": float(np.mean(written)), "folds": written},
    }


def select(values: NDArray[np.float64], y: NDArray[Any], score: Score) -> list[int]:
    """Choose members one by one, each the one with which the mean of all predictions is best.

    Greedy selection with replacement (R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes: Ensemble
    selection from libraries of models, ICML 2004, section 2); of all steps the best is kept, and
    of equals the first.

    Args:
        values: The predictions of each candidate.
        y: The targets.
        score: Of a mean of predictions.

    Returns:
        Places of the members, as often as they are counted.
    """
    chosen: list[int] = []
    total, best, kept = np.zeros(values.shape[1:]), -np.inf, 0
    for step in range(1, _STEPS + 1):
        scores = [score(y, (total + each) / step) for each in values]
        chosen.append(int(np.argmax(scores)))
        total = total + values[chosen[-1]]
        if max(scores) > best:
            best, kept = max(scores), step
    return chosen[:kept]
