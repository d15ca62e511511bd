from __future__ import annotations

import math

import numpy as np
import pytest

from raygen.rank.race import Standing, standing, tied_for_first

_NAN = math.nan


def raced(scores: np.ndarray) -> tuple[list[list[float]], Standing]:
    """Run a race to its end; returns the scores that were asked for, and how it ended."""
    folds, have = scores.shape[1], [[] for _ in scores]  # type: list[list[float]]
    while True:
        stand = standing(have, folds=folds)
        missing = {place: goal for place, goal in stand.goals.items() if len(have[place]) < goal}
        if not missing:
            return have, stand
        for place, goal in missing.items():
            have[place] = [float(each) for each in scores[place, :goal]]


def drawn(rng: np.random.Generator, means: np.ndarray, folds: int) -> np.ndarray:
    """Fold scores whose errors have the correlation 0.2, on folds of different difficulty."""
    shared = math.sqrt(0.2) * rng.normal(size=(len(means), 1))
    own = math.sqrt(0.8) * rng.normal(size=(len(means), folds))
    return means[:, None] + shared + own + rng.normal(size=(1, folds))


def test_who_lags_far_behind_is_stopped_after_two_folds() -> None:
    """The others go on, and of four nobody is stopped before two folds."""
    scores = [[0.90, 0.91], [0.91, 0.90], [0.905, 0.90], [0.1, 0.1]]

    ones = [each[:1] for each in scores]
    assert standing(ones, folds=5) == Standing({0: 2, 1: 2, 2: 2, 3: 2}, {})
    assert standing(scores, folds=5) == Standing({0: 3, 1: 3, 2: 3}, {3: 2})


def test_the_better_half_goes_ahead_to_the_second_fold() -> None:
    """Of the others, who is far behind on the first fold alone is stopped; the rest follow."""
    ahead = [[0.90, 0.92], [0.91, 0.90], [0.88, 0.91], [0.89, 0.88]]
    others = [[0.87], [0.1], [0.2]]

    ones = [each[:1] for each in ahead + others]
    waiting = dict.fromkeys((4, 5, 6), 1)
    assert standing(ones, folds=5) == Standing({0: 2, 1: 2, 2: 2, 3: 2, **waiting}, {})
    assert standing(ahead + others, folds=5) == Standing(dict.fromkeys(range(5), 2), {5: 1, 6: 1})
    early = [*ahead[:3], ones[3], *others]
    assert standing(early, folds=5) == standing(ones, folds=5)
    assert standing([*ones[:4], [0.87, 0.95], *others[1:]], folds=5).goals[4] == 1


def test_what_the_second_fold_adds_for_all_stops_nobody() -> None:
    """The others are compared by the first fold."""
    ahead = np.array([[0.50, 0.52], [0.51, 0.50], [0.48, 0.51], [0.49, 0.48]])
    others = [[0.47], [0.1]]
    easier = ahead + np.array([0.0, 0.3])

    for block in (ahead, easier):
        assert standing([*block.tolist(), *others], folds=5).stopped == {5: 1}


def test_equal_scores_of_all_those_ahead_tell_no_spread() -> None:
    """On few rows all may be right on both folds; that stops nobody."""
    assert standing([*[[1.0, 1.0]] * 4, [0.97], [0.9]], folds=5).stopped == {}


def test_equals_go_on_to_the_last_fold() -> None:
    """Nobody is stopped where nothing tells them apart."""
    scores = [[0.5, 0.6, 0.7, 0.8, 0.9]] * 4

    assert standing(scores, folds=5) == Standing(dict.fromkeys(range(4), 5), {})


def test_a_failed_fold_ends_the_race_of_its_candidate() -> None:
    """However good its others were; those that only lagged behind it are in again."""
    scores = [[0.9, 0.9, _NAN], [0.5, 0.6, 0.5]]

    assert standing(scores, folds=5) == Standing({1: 5}, {})
    assert standing([[0.9, _NAN], [_NAN]], folds=5) == Standing({}, {})
    good, others = [0.9, 0.91], [[0.5, 0.49], [0.5, 0.51], [0.49, 0.5]]
    assert standing([good, *others], folds=5) == Standing({0: 5}, {1: 2, 2: 2, 3: 2})
    assert standing([[*good, _NAN], *others], folds=5) == Standing({1: 3, 2: 3, 3: 3}, {})


def test_a_failed_second_fold_lets_another_one_go_ahead() -> None:
    """Who was stopped by what it showed is in again."""
    ahead = [[0.90, 0.92], [0.91, 0.90], [0.88, 0.91], [0.89, 0.88]]
    others = [[0.87], [0.1]]

    assert standing([*ahead, *others], folds=5).stopped == {5: 1}
    failed = standing([[0.90, _NAN], *ahead[1:], *others], folds=5)
    assert failed == Standing({1: 2, 2: 2, 3: 2, 4: 2, 5: 1}, {})


def test_two_candidates_are_not_told_apart_by_two_folds() -> None:
    """Equal gaps on two folds come by chance; on four they do not."""
    scores = [[0.9, 0.8, 0.7, 0.8], [0.8, 0.7, 0.6, 0.7]]

    assert standing([each[:2] for each in scores], folds=9) == Standing({0: 3, 1: 3}, {})
    assert standing(scores, folds=9) == Standing({0: 9}, {1: 4})


def test_more_scores_change_no_earlier_decision() -> None:
    """An interrupted race goes on as if it had not been: who was stopped stays so."""
    scores = drawn(np.random.default_rng(1), np.linspace(0.0, -6.0, 8), 10)
    have, ended = raced(scores)

    assert ended.stopped
    for place, folds in ended.stopped.items():
        assert len(have[place]) == folds
    assert standing([list(map(float, each)) for each in scores], folds=10) == ended


@pytest.mark.parametrize("gap", [0.0, 0.5, 2.0])
def test_the_race_ends_as_all_folds_do_and_names_no_best_worse(gap: float) -> None:
    """Of races at random: the same winner in 9 of 10, the true best beyond doubt in none of 20."""
    rng, same, fits, accused = np.random.default_rng(2), [], [], []
    for _ in range(200):
        means = -gap * np.sort(rng.exponential(size=10))
        scores = drawn(rng, means, 10)
        have, ended = raced(scores)
        mean = [float(np.mean(each)) for each in have]
        winner = max(ended.goals, key=mean.__getitem__)
        same.append(winner == scores.mean(axis=1).argmax())
        fits.append(sum(map(len, have)) / scores.size)
        accused.append(not tied_for_first(have, winner, test_share=1 / 5)[0])

    assert np.mean(same) >= 0.88
    assert np.mean(fits) <= 0.56
    assert np.mean(accused) <= 0.05


def test_the_leader_is_tied_with_itself_and_with_whom_it_cannot_be_told_from() -> None:
    """Scores of a stopped candidate are compared on the folds that both have."""
    scores = [[0.90, 0.91, 0.92, 0.93], [0.91, 0.90, 0.92, 0.92], [0.89, 0.92], [0.2, 0.3]]

    assert tied_for_first(scores, 0, test_share=0.2) == (True, True, True, False)
    single = [*scores[:3], [0.89], [0.2]]  # the spread is that of the others on two folds
    assert tied_for_first(single, 0, test_share=0.2) == (True, True, True, True, False)
    assert tied_for_first([[0.9], [0.1]], 0, test_share=0.2) == (True, True)
    assert tied_for_first([[0.9, 0.8]], 0, test_share=0.2) == (True,)
