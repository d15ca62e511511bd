from __future__ import annotations

import json
import statistics

import numpy as np

from raygen.rank.folds import rank_entries
from raygen.rank.leaderboard import leaderboard_json
from raygen.rank.scored import Terms
from raygen.runs.records import FoldResult, History, State, TrialRecord


def ranked(metric: str, *, num_folds: int = 3, **folds: list[float | State]) -> History:
    """A run whose trials have these scores, or these failures, on their folds."""
    history = History(metric=metric)
    for number, (name, scores) in enumerate(folds.items()):
        history.trials[name] = TrialRecord(
            trial_id=name,
            values={"units": number},
            candidate=f"{number:08d}",
            source_sha=f"sha of {name}",
            num_parameters=10 * number,
        )
        for fold, score in enumerate(scores):
            failed = isinstance(score, State)
            history.folds[name, fold] = FoldResult(
                trial_id=name,
                fold=fold,
                state=score if isinstance(score, State) else State.FINISHED,
                metrics={} if failed else {metric: score},
                epochs=3,
                seconds=0.5,
            )
    return history


def test_the_best_mean_comes_first() -> None:
    """Order, places and sums follow from the folds; the candidate is the trial's values."""
    history = ranked("accuracy", a=[0.5, 0.6, 0.7], b=[0.9, 0.8, 0.7], c=[0.1, 0.1, 0.1])

    entries = rank_entries(history, ["a", "b", "c"], Terms(folds=3))

    assert [(entry.rank, entry.trial_id) for entry in entries] == [(1, "b"), (2, "a"), (3, "c")]
    best = entries[0]
    assert best.folds == (0.9, 0.8, 0.7)
    assert best.mean == np.mean([0.9, 0.8, 0.7])
    assert best.candidate == {"units": 1}
    assert (best.source_sha, best.num_parameters, best.seconds) == ("sha of b", 10, 1.5)


def test_the_deviation_has_k_minus_1_in_its_denominator() -> None:
    """It is that of a sample."""
    (entry,) = rank_entries(ranked("r2", a=[0.5, 0.6, 0.9]), ["a"], Terms(folds=3))

    assert abs(entry.std - statistics.stdev([0.5, 0.6, 0.9])) < 1e-15


def test_an_error_is_ranked_from_the_lowest() -> None:
    """The direction of the metric decides."""
    history = ranked("rmse", a=[3.0, 3.0, 3.0], b=[1.0, 1.0, 2.0])

    assert [e.trial_id for e in rank_entries(history, ["a", "b"], Terms(folds=3))] == ["b", "a"]


def test_a_failed_fold_leaves_the_trial_out() -> None:
    """The mean of the other folds would flatter it."""
    history = ranked(
        "accuracy", a=[0.9, 0.9, State.NAN], b=[], c=[0.2, 0.2, 0.2], d=[0.3, 0.3, 0.3]
    )

    entries = rank_entries(history, ["a", "b", "c"], Terms(folds=3))

    assert [entry.trial_id for entry in entries] == ["c"]  # and d was not asked for


def test_equal_means_keep_the_order_of_the_search() -> None:
    """Ranks never depend on chance."""
    history = ranked("accuracy", b=[0.5, 0.7], a=[0.7, 0.5])

    assert [e.trial_id for e in rank_entries(history, ["b", "a"], Terms(folds=2))] == ["b", "a"]


def test_the_json_is_the_documented_one() -> None:
    """Keys and their order are what machines were promised."""
    history = ranked("rmse", a=[1.0, 2.0])
    entries = rank_entries(history, ["a"], Terms(folds=2))

    board = json.loads(
        json.dumps(leaderboard_json("wages", "rmse", entries, {"rmse": 1.5}, mode="min"))
    )

    assert list(board) == ["name", "metric", "mode", "entries", "test"]
    assert (board["name"], board["metric"], board["mode"]) == ("wages", "rmse", "min")
    assert list(board["entries"][0]) == [
        "rank",
        "trial_id",
        "candidate",
        "source_sha",
        "mean",
        "std",
        "folds",
        "num_parameters",
        "seconds",
        "interval",
        "tied",
        "folds_run",
        "posterior",
        "aicc",
        "bic",
        "diagnosis",
    ]
    assert board["entries"][0]["folds"] == [1.0, 2.0]
    assert board["test"] == {"rmse": 1.5}
