from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from raygen.config.space import Choice, Condition, Float, Int, Parameter, Space
from raygen.search.strategies import load_strategy
from raygen.search.strategies.bohb import BOHB
from raygen.search.strategies.densities import Density, draw_around, fill_in
from raygen.search.strategies.strategy import Scores, Strategy, Terms

BOWL = Space("bowl", (), parameters=(Parameter("a", Float(-5, 5)), Parameter("b", Float(-5, 5))))
TREE = Space(
    "tree",
    (),
    parameters=(
        Parameter("optimizer", Choice(("adamw", "sgd", "lion"))),
        Parameter("momentum", Float(0.5, 0.99), when=Condition("optimizer", ("sgd",))),
        Parameter("mode", Choice(("p", "q", "r")), when=Condition("optimizer", ("lion",))),
        Parameter("width", Int(16, 500, log=True)),
    ),
)


def bowl(values: dict[str, Any]) -> float:
    """A score with its highest point at (1, -2)."""
    return -((values["a"] - 1) ** 2) - (values["b"] + 2) ** 2


def run(strategy: Strategy, count: int, score: Callable[[Any], Scores | None]) -> list[Any]:
    """What is proposed when each candidate's score is told before the next is asked for."""
    proposals = []
    for number in range(count):
        values = strategy.ask()
        proposals.append(values)
        strategy.begin(number, dict(values or {}))
        strategy.end(number, score(values))
    return proposals


def test_a_density_is_a_product_of_kernels() -> None:
    """Two points, one continuous and one categorical coordinate: the sum by hand."""
    density = Density(np.array([[0.2, 0.0], [0.6, 1.0]]), np.array([0, 4]))

    wide = 1.06 * 0.2 * 2 ** (-1 / 6)
    other = 1.06 * math.sqrt(0.5) * 2 ** (-1 / 6)
    gauss = [math.exp(-0.5 * (x / wide) ** 2) / math.sqrt(2 * math.pi) / wide for x in (0.1, 0.3)]
    assert density.bandwidths.tolist() == pytest.approx([wide, other])
    expected = (gauss[0] * (1 - other) + gauss[1] * other / 3) / 2
    assert density.at(np.array([[0.3, 0.0]])).tolist() == pytest.approx([expected])


def test_a_categorical_kernel_ends_at_the_uniform_one() -> None:
    """However scattered the points, an option of a point is never less likely than another."""
    density = Density(np.array([[0.0], [1.0]]), np.array([2]))

    assert density.bandwidths.tolist() == [0.5]
    assert density.at(np.array([[0.0], [1.0]])).tolist() == pytest.approx([0.5, 0.5])


def test_draws_stay_inside() -> None:
    """Around a point at the border all places are between 0 and 1, and of known options."""
    density = Density(np.array([[0.0, 2.0], [0.01, 2.0], [1.0, 1.0]]), np.array([0, 3]))

    drawn = draw_around(density, 500, np.random.default_rng(0))

    assert ((drawn[:, 0] >= 0) & (drawn[:, 0] <= 1)).all()
    assert set(drawn[:, 1]) == {0.0, 1.0, 2.0}
    assert (drawn[:, 1] == 2).mean() > 1 / 3


def test_what_is_not_active_is_filled_in_from_others() -> None:
    """Known values stay, a gap takes what another point has, a gap of all is drawn."""
    gap = np.nan
    points = np.array([[0.1, gap, gap], [0.2, 0.9, gap], [gap, 0.9, gap]])

    filled = fill_in(points, np.array([0, 0, 4]), np.random.default_rng(0))

    assert filled[:, 1].tolist() == [0.9, 0.9, 0.9]
    assert filled[2, 0] in (0.1, 0.2)
    assert set(filled[:, 2]) <= {0.0, 1.0, 2.0, 3.0}
    assert np.isnan(points[0, 1])


def test_it_learns() -> None:
    """Of 60 trials the last ones are nearer to the top of a bowl than random draws are."""

    def late(name: str, seed: int) -> float:
        strategy = load_strategy(name, Terms(space=BOWL, seed=seed))
        return statistics.median(map(bowl, run(strategy, 60, lambda v: (bowl(v),))[-20:]))

    bohb, random = (
        statistics.median(late(name, seed) for seed in range(5)) for name in ("bohb", "random")
    )

    assert bohb > random / 3


def test_conditions_are_kept() -> None:
    """Proposals of the model are candidates of the space, with the good branch more often."""

    def score(values: dict[str, Any]) -> Scores:
        return (values.get("momentum", 0.0) + (values["optimizer"] == "sgd"),)

    proposals = run(load_strategy("bohb", Terms(space=TREE)), 90, score)

    for values in proposals:
        TREE.validate(values)
    assert sum(values["optimizer"] == "sgd" for values in proposals[45:]) > 25  # a draw: 15


def test_a_model_needs_as_many_scores_as_the_paper_says() -> None:
    """Up to d + 3 scores of an epoch the proposals are those of random search."""
    bohb, random = (load_strategy(name, Terms(space=BOWL, seed=3)) for name in ("bohb", "random"))

    proposals = run(bohb, 12, lambda values: (bowl(values),))
    # random() is drawn first once there is a model, so nothing coincides from then on
    drawn = run(random, 12, lambda _: None)

    assert proposals[:5] == drawn[:5]
    assert all(one != other for one, other in zip(proposals[5:], drawn[5:], strict=True))


def test_the_longest_training_with_enough_scores_counts() -> None:
    """Short trainings mislead: once enough long ones are known, the model follows those."""

    def told(long: int) -> list[Any]:
        strategy = BOHB(Terms(space=BOWL, seed=1, max_epochs=9))
        rng = np.random.default_rng(0)
        for number in range(30):
            values = BOWL.sample(rng)
            strategy.begin(number, values)
            strategy.report(number, 1, (float(values["a"]),))
            if number < long:
                strategy.report(number, 9, (-float(values["a"]),))
            strategy.end(number, (-float(values["a"]) if number < long else float(values["a"]),))
        return [strategy.ask() for _ in range(60)]

    few, many = (statistics.fmean(values["a"] for values in told(long)) for long in (4, 25))

    assert few > 1
    assert many < -1


def test_failures_are_bad_at_every_epoch() -> None:
    """Where half of the space fails after good reports, the model turns to the other half."""
    strategy = load_strategy("bohb", Terms(space=BOWL, max_epochs=3))
    proposals = []
    for number in range(80):
        values = strategy.ask()
        assert values is not None
        proposals.append(values)
        strategy.begin(number, values)
        strategy.report(number, 1, (5.0 if values["a"] > 0 else 0.0,))
        strategy.end(number, None if values["a"] > 0 else (0.0,))

    assert sum(values["a"] > 0 for values in proposals[40:]) < 14  # of 40; draws would be 20


def test_pending_candidates_are_taken_for_bad_ones() -> None:
    """While a region is being tried, fewer proposals go there."""

    def there(pending: int) -> int:
        strategy = BOHB(Terms(space=BOWL, seed=2))
        rng = np.random.default_rng(4)
        for number in range(60):
            values = BOWL.sample(rng)
            strategy.begin(number, values)
            strategy.end(number, (bowl(values),))
        for number in range(pending):
            near = {"a": 1 + 0.3 * rng.standard_normal(), "b": -2 + 0.3 * rng.standard_normal()}
            strategy.begin(100 + number, {name: float(at) for name, at in near.items()})
        asked = [strategy.ask() for _ in range(120)]
        return sum(values is not None and bowl(values) > -2 for values in asked)

    assert there(12) < there(0)
