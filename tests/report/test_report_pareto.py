from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from searched import made_space, noise, searched

from raygen.rank.repeats import pareto_front
from raygen.report.pareto import best_first, pareto_numbers
from raygen.report.view import view_of
from raygen.runs.fronts import fronts


def peeled(points: np.ndarray) -> np.ndarray:
    """The ranks by their definition: take the front away, again and again."""
    ranks = np.full(len(points), -1)
    rank = 0
    while (ranks < 0).any():
        left = np.flatnonzero(ranks < 0)
        front = [
            i
            for i in left
            if not any(
                (points[j] >= points[i]).all() and (points[j] > points[i]).any() for j in left
            )
        ]
        ranks[front] = rank
        rank += 1
    return ranks


@pytest.mark.parametrize("metrics", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_ranks_are_those_of_peeling_off_fronts(metrics: int, seed: int) -> None:
    """Ties and equal points included, each point has the rank its definition gives."""
    points = np.random.default_rng(seed).integers(0, 6, (60, metrics)).astype(float)

    assert fronts(points).tolist() == peeled(points).tolist()


def test_the_front_comes_first_and_begins_with_the_best() -> None:
    """Within a front the first metric decides."""
    points = np.array([[1.0, 5.0], [3.0, 1.0], [0.5, 5.0], [3.0, 0.5]])

    assert best_first(points).tolist() == [1, 0, 3, 2]
    assert fronts(np.empty((0, 2))).tolist() == []


def test_a_metric_may_be_better_when_it_is_lower() -> None:
    """Of accuracy and num_parameters the front keeps no larger candidate that is not better."""
    objectives = [{"name": "accuracy", "mode": "max"}, {"name": "num_parameters", "mode": "min"}]
    history = searched(60, noise, begin={"objectives": objectives})

    told = pareto_numbers(view_of(history, made_space()))

    front = [trial for trial in told["trials"] if trial["front"] == 0]
    accuracies = [trial["accuracy"] for trial in front]
    sizes = [trial["num_parameters"] for trial in front]
    assert accuracies == sorted(accuracies, reverse=True)
    assert sizes == sorted(sizes, reverse=True)
    assert min(sizes) == min(trial["num_parameters"] for trial in told["trials"])
    assert len(told["trials"]) == 60


def test_what_was_stopped_earlier_is_on_no_front() -> None:
    """The front is that of leaderboard.json: of the candidates that were trained longest."""
    objectives = [{"name": "accuracy", "mode": "max"}, {"name": "num_parameters", "mode": "min"}]
    history = searched(60, noise, begin={"objectives": objectives})
    for name in list(history.trials)[::2]:  # as if the others had gone on with the same scores
        trial = history.trials[name]
        curve = (*trial.curve, trial.curve[-1])
        history.trials[name] = replace(trial, epoch=trial.epoch + 1, curve=curve)
    longest = max(trial.epoch for trial in history.trials.values())

    told = pareto_numbers(view_of(history, made_space()))["trials"]

    front = {trial["trial_id"] for trial in told if trial["front"] == 0}
    assert front == {each["trial_id"] for each in pareto_front(history)}
    assert {trial["epoch"] for trial in told if trial["front"] is not None} == {longest}
    assert any(trial["front"] is None for trial in told)
