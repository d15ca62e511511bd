from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from test_leaderboard import ranked

from raygen.rank.folds import rank_entries, ranking_json
from raygen.rank.scored import Terms, fold_scores
from raygen.runs.records import History, State


def with_metrics(history: History, trial_id: str, **metrics: float) -> None:
    """Give all folds of a trial more metrics."""
    for key, result in history.folds.items():
        if key[0] == trial_id:
            history.folds[key] = replace(result, metrics={**result.metrics, **metrics})


def test_a_stopped_candidate_is_compared_on_the_folds_it_has() -> None:
    """Its mean is higher, for it has seen the easy folds alone, and it is still behind."""
    history = ranked("accuracy", a=[0.9, 0.9, 0.5, 0.5], b=[0.8, 0.8], c=[0.7, 0.7, 0.4, 0.3])

    entries = rank_entries(history, ["a", "b", "c"], Terms(folds=4))

    assert [entry.trial_id for entry in entries] == ["a", "b", "c"]
    assert [entry.verdict.folds_run for entry in entries] == [4, 2, 4]
    assert entries[1].mean > entries[0].mean


def test_the_interval_allows_for_the_overlap_of_folds() -> None:
    """t(4, 0.975) = 2.776 standard errors of sqrt(1/5 + 1/4) s."""
    scores = [0.90, 0.92, 0.94, 0.91, 0.93]
    (entry,) = rank_entries(ranked("accuracy", a=scores), ["a"], Terms(folds=5))

    half = 2.7764451 * math.sqrt(1 / 5 + 1 / 4) * np.std(scores, ddof=1)
    assert entry.interval == pytest.approx((0.92 - half, 0.92 + half))
    assert (entry.verdict.tied, entry.verdict.folds_run) == (True, 5)


def test_folds_in_order_have_other_shares() -> None:
    """Fold i trains on i + 1 stretches: n_test / n_train is 1, 1/2, 1/3; fold 0 is no measure."""
    terms = Terms(folds=3, ordered=True)
    history = ranked("rmse", a=[3.0, 2.0, 1.0])

    assert terms.test_share / (1 - terms.test_share) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert ranking_json(history, ["a"], terms)["optimism"] is None


def test_an_interval_ends_where_the_metric_does() -> None:
    """No mean accuracy is above 1, and no error below 0."""
    (high,) = rank_entries(ranked("accuracy", a=[1.0, 0.9, 1.0]), ["a"], Terms(folds=3))
    (low,) = rank_entries(ranked("rmse", a=[0.1, 2.0, 0.1]), ["a"], Terms(folds=3))
    (open_,) = rank_entries(ranked("r2", a=[-3.0, 0.9, 0.9]), ["a"], Terms(folds=3))

    assert high.interval[1] == 1.0
    assert low.interval[0] == 0.0
    assert open_.interval[0] < -3.0
    assert open_.interval[1] == 1.0


def test_of_those_tied_for_first_the_rule_chooses() -> None:
    """The chosen one comes first; parameters grow with the letter here, and c is far behind."""
    history = ranked(
        "accuracy",
        c=[0.10, 0.11, 0.10, 0.12],
        b=[0.90, 0.93, 0.91, 0.92],
        a=[0.91, 0.92, 0.93, 0.92],
    )
    history.trials["b"] = replace(history.trials["b"], latency_ms=9.0)
    history.trials["a"] = replace(history.trials["a"], latency_ms=3.0)

    def first(choose: str) -> str:
        return rank_entries(history, ["c", "b", "a"], Terms(folds=4, choose=choose))[0].trial_id

    assert [first(rule) for rule in ("mean", "simplest-tied", "fastest-tied")] == ["a", "b", "a"]
    assert (first("aicc-tied"), first("one-error")) == ("a", "a")  # nothing is known; b is too far
    told = ranking_json(history, ["c", "b", "a"], Terms(folds=4, choose="simplest-tied"))
    assert told["tied"] == ["a", "b"]
    assert told["chosen"]["why"] == "the fewest parameters of the 2 tied for first"
    unknown = ranking_json(history, ["c", "b", "a"], Terms(folds=4, choose="aicc-tied"))
    assert unknown["chosen"]["why"] == "the best mean, for nobody knows the lowest AICc"


def test_an_error_is_compared_from_the_lowest() -> None:
    """Gaps, ties and posteriors turn with the direction of the metric."""
    history = ranked("rmse", a=[9.0, 9.1, 9.2], b=[1.0, 1.1, 1.2], c=[1.1, 1.0, 1.2])

    entries = rank_entries(history, ["a", "b", "c"], Terms(folds=3))

    assert [entry.trial_id for entry in entries] == ["b", "c", "a"]
    assert [entry.verdict.tied for entry in entries] == [True, True, False]
    assert entries[2].verdict.posterior["worse"] > 0.99


def test_the_criteria_are_those_of_all_rows_held_out_once() -> None:
    """Of classes by the log loss, of values by the mean square, which is one parameter more."""
    history = ranked("accuracy", a=[0.5, 0.5], b=[0.4, 0.4])
    with_metrics(history, "b", log_loss=0.7)
    values = ranked("rmse", a=[1.0, 1.0], b=[3.0, 4.0])

    _, classes = rank_entries(history, ["a", "b"], Terms(folds=2, num_rows=100))
    _, errors = rank_entries(values, ["a", "b"], Terms(folds=2, num_rows=100))

    assert classes.verdict.bic == pytest.approx(10 * math.log(100) + 2 * 100 * 0.7)
    assert classes.verdict.aicc == pytest.approx(20 + 140 + 2 * 10 * 11 / 89)
    square = (9 + 16) / 2
    assert errors.verdict.bic == pytest.approx(
        11 * math.log(100) + 100 * (math.log(2 * math.pi * square) + 1)
    )


def test_what_was_saved_and_how_far_the_search_flattered_is_told() -> None:
    """Five of eight trainings; fold 0, by which the search found it, was 0.1 above the others."""
    history = ranked("accuracy", a=[0.9, 0.8, 0.8, 0.8], b=[0.1])

    told = ranking_json(history, ["a", "b"], Terms(folds=4))

    assert told["fold_fits"] == {"run": 5, "full": 8}
    assert told["optimism"]["difference"] == pytest.approx(0.1)


def test_scores_end_at_the_first_fold_that_is_missing() -> None:
    """Later ones are not yet compared; one that failed has no score."""
    history = ranked("rmse", a=[1.0, State.ERROR, 3.0, 4.0])
    del history.folds["a", 2]

    assert fold_scores(history, "a") == pytest.approx([-1.0, math.nan], nan_ok=True)


def test_without_a_complete_candidate_there_is_nothing_to_rank() -> None:
    """All failed or were interrupted."""
    history = ranked("accuracy", a=[0.9], b=[0.8, State.NAN])

    assert rank_entries(history, ["a", "b"], Terms(folds=2)) == []
