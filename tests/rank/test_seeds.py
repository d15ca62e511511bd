"""The spread of seeds is told from that of folds, and named only where it makes a difference."""

from __future__ import annotations

import numpy as np
import pytest
from test_leaderboard import ranked

from raygen.rank.scored import Terms
from raygen.rank.seeds import Seeds, seeds_json, seeds_of, unstable
from raygen.runs.records import History

FOLDS = [0.80, 0.90, 0.85, 0.95]


def with_seeds(spread: float, count: int = 3, failed: int = 0) -> History:
    """A candidate with four folds, each trained with so many seeds."""
    rng, history = np.random.default_rng(0), ranked("accuracy", a=FOLDS)
    for fold, score in enumerate(FOLDS):
        for seed in range(1, count):
            told = None if seed <= failed else score + spread * rng.normal()
            fields = {"trial_id": "a", "fold": fold, "seed": seed, "score": told}
            history.take({"event": "seed", **fields})
    return history


def known(history: History) -> Seeds:
    """What its seeds say."""
    found = seeds_of(history, "a", Terms(folds=4))
    assert found is not None
    return found


def test_the_spreads_are_those_of_an_analysis_of_variance() -> None:
    """Within folds by the mean of their variances, between them by their means."""
    seeds = known(with_seeds(0.02))
    scores = np.array(seeds.scores)

    assert scores.shape == (4, 3)
    assert scores[:, 0].tolist() == FOLDS
    assert seeds.std == pytest.approx(np.sqrt(scores.var(axis=1, ddof=1).mean()))
    assert seeds.std_of_folds == pytest.approx(scores.mean(axis=1).std(ddof=1))
    assert seeds.freedom == 8


def test_only_a_difference_in_practice_is_named() -> None:
    """A spread that is surely above the ROPE; one that may be below it is none."""
    told = unstable(known(with_seeds(0.05)), rope=0.01)

    assert told is not None
    assert told.verdict == "unstable over seeds"
    assert "over 3 seeds on the same fold, " in told.evidence
    assert unstable(known(with_seeds(0.005)), rope=0.01) is None
    assert unstable(known(with_seeds(0.0)), rope=0.0) is None


def test_chance_is_named_in_one_of_twenty_at_most() -> None:
    """Of candidates whose spread is just the ROPE."""
    rng, named = np.random.default_rng(0), 0
    for _ in range(1000):
        scores = rng.normal(0.8, 0.01, size=(5, 2))
        within = float(scores.var(axis=1, ddof=1).mean()) ** 0.5
        rows = tuple(map(tuple, scores.tolist()))
        seeds = Seeds(std=within, freedom=5, std_of_folds=0.0, scores=rows)
        named += unstable(seeds, rope=0.01) is not None

    assert 30 <= named <= 70


def test_without_further_seeds_nothing_is_said() -> None:
    """Nor if all of them failed."""
    assert seeds_of(ranked("accuracy", a=FOLDS), "a", Terms(folds=4)) is None
    assert seeds_of(with_seeds(0.1, count=2, failed=1), "a", Terms(folds=4)) is None
    assert seeds_json(None) is None
    assert known(with_seeds(0.1, count=3, failed=1)).freedom == 4
