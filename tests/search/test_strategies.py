from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import pytest

from raygen.config.space import Choice, Condition, Float, Int, Parameter, Space
from raygen.errors import EnvironmentProblem
from raygen.search import strategies
from raygen.search.strategies import STRATEGIES, Strategy, load_strategy

MIXED = Space(
    "mixed",
    (),
    parameters=(
        Parameter("optimizer", Choice(("adamw", "sgd"))),
        Parameter("momentum", Float(0.5, 0.9, step=0.1), when=Condition("optimizer", ("sgd",))),
        Parameter("nesterov", Choice((True, False)), when=Condition("optimizer", ("sgd",))),
        Parameter("learning_rate", Float(1e-5, 1e-1, log=True)),
        Parameter("dropout", Float(0.0, 0.5)),
        Parameter("depth", Int(1, 4)),
        Parameter("width", Int(16, 500, log=True)),
        Parameter("units", Int(8, 40, step=8)),
        Parameter("only", Float(0.25, 0.25)),
        Parameter("lone", Choice(("x",))),
    ),
)
SMALL = Space(
    "small",
    (),
    parameters=(
        Parameter("optimizer", Choice(("adamw", "sgd"))),
        Parameter("momentum", Float(0.5, 0.9, step=0.2), when=Condition("optimizer", ("sgd",))),
        Parameter("depth", Int(1, 2)),
    ),
)
BOWL = Space("bowl", (), parameters=(Parameter("a", Float(-5, 5)), Parameter("b", Float(-5, 5))))

Score = Callable[[dict[str, Any]], float | None]


def asked(strategy: Strategy, count: int, score: Score) -> list[dict[str, Any]]:
    """What a strategy proposes while it is told each score before it is asked again."""
    proposals = []
    for _ in range(count):
        values = strategy.ask()
        if values is None:
            break
        proposals.append(values)
        strategy.tell(dict(values), score(values))
    return proposals


def some_fail(values: dict[str, Any]) -> float | None:
    """A score that depends on the values; candidates of depth 3 fail."""
    return None if values["depth"] == 3 else values["dropout"] - values["learning_rate"]


def bowl(values: dict[str, Any]) -> float:
    """A score with its highest point at (1, -2)."""
    return -((values["a"] - 1) ** 2) - (values["b"] + 2) ** 2


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_proposals_are_candidates_of_the_space(name: str) -> None:
    """Inside bounds, on steps, conditions honoured, and plain Python values that JSON can hold."""
    proposals = asked(load_strategy(name, MIXED, seed=3), 60, some_fail)

    for values in proposals:
        MIXED.validate(values)
        assert {type(value) for value in values.values()} <= {bool, int, float, str}
        assert isinstance(values["depth"], int)
    if name != "grid":  # whose last parameters change first
        assert {"adamw", "sgd"} == {values["optimizer"] for values in proposals}
        assert {1, 2, 3, 4} == {values["depth"] for values in proposals}


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_the_seed_decides(name: str) -> None:
    """The same seed proposes the same; another one something else, unless there is no chance."""
    first, same, other = (
        asked(load_strategy(name, MIXED, seed=seed), 30, some_fail) for seed in (3, 3, 4)
    )

    assert first == same
    assert (first == other) is (name == "grid")


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@pytest.mark.parametrize("done", [0, 5, 25])
def test_a_strategy_goes_on_as_if_it_had_never_stopped(name: str, done: int) -> None:
    """One that is told the trials of an earlier run proposes what that run would have proposed."""
    whole = asked(load_strategy(name, MIXED, seed=3), 30, some_fail)

    resumed = load_strategy(name, MIXED, seed=3)
    resumed.skip(done)
    for values in whole[:done]:
        resumed.tell(dict(values), some_fail(values))

    assert asked(resumed, 30 - done, some_fail) == whole[done:]


def test_a_grid_tries_each_combination_once_and_ends() -> None:
    """Active combinations only; after the last there is nothing more."""
    grid = load_strategy("grid", SMALL, seed=0)

    proposals = asked(grid, 100, lambda _: 0.0)

    assert len(proposals) == SMALL.size() == 8
    assert len({str(values) for values in proposals}) == 8
    assert grid.ask() is None
    assert proposals[0] == {"optimizer": "adamw", "depth": 1}


def test_a_grid_of_a_continuous_range_has_its_ends() -> None:
    """A range without steps gives three values, the middle one by its scale."""
    space = Space("one", (), parameters=(Parameter("rate", Float(1e-4, 1e-2, log=True)),))

    proposals = asked(load_strategy("grid", space, seed=0), 9, lambda _: 0.0)

    assert [values["rate"] for values in proposals] == pytest.approx([1e-4, 1e-3, 1e-2])


def test_hyperopt_learns() -> None:
    """After 40 trials it stands nearer to the top of a bowl than random draws, in the median."""

    def best(name: str, seed: int) -> float:
        return max(bowl(values) for values in asked(load_strategy(name, BOWL, seed), 40, bowl))

    hyperopt, random = (
        statistics.median(best(name, seed) for seed in range(7)) for name in ("hyperopt", "random")
    )

    assert hyperopt > random / 2  # half the distance; both are below zero


def test_hyperopt_learns_within_the_default_budget() -> None:
    """Of 20 trials the last ones are no longer drawn at random."""

    def late(name: str, seed: int) -> float:
        proposals = asked(load_strategy(name, BOWL, seed), 20, bowl)
        return statistics.median(bowl(values) for values in proposals[-6:])

    hyperopt, random = (
        statistics.median(late(name, seed) for seed in range(7)) for name in ("hyperopt", "random")
    )

    assert hyperopt > random / 2


def test_hyperopt_survives_failures_alone() -> None:
    """A search in which every trial fails goes on proposing."""
    proposals = asked(load_strategy("hyperopt", MIXED, seed=0), 30, lambda _: None)

    assert len({str(values) for values in proposals}) > 25


def test_hyperopt_avoids_what_fails() -> None:
    """A failure is worse than every score."""

    def half_fails(values: dict[str, Any]) -> float | None:
        return None if values["a"] > 0 else 0.0

    proposals = asked(load_strategy("hyperopt", BOWL, seed=0), 60, half_fails)

    assert sum(values["a"] > 0 for values in proposals[30:]) < 8  # of 30; a draw would be 15


def test_hyperopt_takes_what_others_proposed() -> None:
    """Trials told may come from anywhere, in any order, more often than it was asked."""
    strategy = load_strategy("hyperopt", MIXED, seed=0)
    for values in reversed(asked(load_strategy("random", MIXED, seed=9), 40, some_fail)):
        strategy.tell(values, some_fail(values))

    values = strategy.ask()

    assert values is not None
    MIXED.validate(values)


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy whose package is not installed says what to type."""
    monkeypatch.setitem(strategies.STRATEGIES, "skopt", "no_such_package.skopt:Skopt")

    with pytest.raises(EnvironmentProblem, match="needs the package no_such_package"):
        load_strategy("skopt", BOWL, seed=0)
