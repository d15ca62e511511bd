from __future__ import annotations

import statistics
from typing import Any

import numpy as np
import pytest

from raygen.config.space import Choice, Condition, Float, Int, Parameter, Space
from raygen.runs.fronts import crowding, fronts, order
from raygen.search.encoding import Encoding
from raygen.search.strategies import load_strategy
from raygen.search.strategies.evolution import Evolution, mutated, population_size
from raygen.search.strategies.strategy import Strategy, Terms

TREE = Space(
    "tree",
    (),
    parameters=(
        Parameter("block", Choice(("plain", "residual", "none"))),
        Parameter("depth", Int(1, 8), when=Condition("block", ("plain", "residual"))),
        Parameter("gate", Choice((True, False)), when=Condition("depth", (7, 8))),
        Parameter("width", Int(16, 512, log=True)),
        Parameter("rate", Float(0.0, 0.5)),
        Parameter("lone", Choice(("x",))),
    ),
)
BOWL = Space("bowl", (), parameters=(Parameter("a", Float(-5, 5)), Parameter("b", Float(-5, 5))))


def bowl(values: dict[str, Any]) -> float:
    """A score with its highest point at (1, -2)."""
    return -((values["a"] - 1) ** 2) - (values["b"] + 2) ** 2


def run(strategy: Strategy, count: int, score: Any) -> list[dict[str, Any]]:
    """What is proposed when each candidate's score is told before the next is asked for."""
    proposals = []
    for number in range(count):
        values = strategy.ask()
        assert values is not None
        proposals.append(values)
        strategy.begin(number, values)
        strategy.end(number, score(values))
    return proposals


def test_a_mutation_changes_one_parameter_and_what_hangs_on_it() -> None:
    """The child is a candidate that differs in one value; only its conditions change more."""
    rng, encoding = np.random.default_rng(0), Encoding(TREE)
    changed: dict[str, int] = {}
    for _ in range(300):
        parent = TREE.sample(rng)
        child = mutated(encoding, parent, rng)
        TREE.validate(child)
        both = [name for name in parent if name in child and parent[name] != child[name]]
        assert len(both) == 1
        changed[both[0]] = changed.get(both[0], 0) + 1
        if both[0] not in ("block", "depth"):
            assert set(child) == set(parent)

    assert set(changed) == {"block", "depth", "gate", "width", "rate"}


def test_a_range_is_changed_by_a_small_step() -> None:
    """Numbers move to near ones: half of the steps are within an eighth of the range."""
    rng, encoding = np.random.default_rng(0), Encoding(BOWL)

    steps = []
    for _ in range(300):
        child = mutated(encoding, {"a": 0.0, "b": 0.0}, rng)
        steps.append(abs(float(child["a"]) + float(child["b"])))

    assert statistics.median(steps) < 10 / 8
    assert max(steps) > 10 / 8


def test_a_space_without_choice_is_left_alone() -> None:
    """With nothing to mutate the parent is proposed again."""
    space = Space("fixed", (), parameters=(Parameter("lone", Choice(("x",))),))

    assert mutated(Encoding(space), {"lone": "x"}, np.random.default_rng(0)) == {"lone": "x"}


def test_evolution_beats_random_draws() -> None:
    """After 60 trials its best is nearer to the top of a bowl, in the median of seeds."""

    def best(name: str, seed: int) -> float:
        strategy = load_strategy(name, Terms(space=BOWL, seed=seed, trials=60))
        return max(map(bowl, run(strategy, 60, lambda values: (bowl(values),))))

    evolution, random = (
        statistics.median(best(name, seed) for seed in range(7)) for name in ("evolution", "random")
    )

    assert evolution > random * 0.7


def test_the_oldest_member_goes_however_good_it_is() -> None:
    """Regularised: a lucky score is forgotten after as many candidates as the population has."""
    strategy = Evolution(Terms(space=BOWL, trials=60))
    for number in range(7):
        strategy.begin(number, {"a": float(number), "b": 0.0})
        strategy.end(number, (100.0 if number == 0 else float(number),))

    children = [strategy.ask() for _ in range(50)]

    assert all(child is not None and 0.0 not in (child["a"],) for child in children)
    assert [member.values["a"] for member in strategy._population] == [1, 2, 3, 4, 5, 6]


def test_failures_are_the_worst() -> None:
    """Where half of the space fails, its children are soon all in the other half."""

    def half(values: dict[str, Any]) -> tuple[float] | None:
        return None if values["a"] > 0 else (0.0,)

    proposals = run(load_strategy("evolution", Terms(space=BOWL, trials=80)), 80, half)

    assert sum(values["a"] > 0 for values in proposals[40:]) < 10  # of 40; draws would be 20


def test_a_pending_candidate_is_not_proposed_again() -> None:
    """In a finite space every candidate comes once before any comes twice."""
    space = Space("small", (), parameters=tuple(Parameter(n, Int(1, 4)) for n in ("a", "b")))
    strategy = load_strategy("evolution", Terms(space=space, trials=60))
    seen = set()
    for number in range(100):
        values = strategy.ask()
        assert values is not None
        if (values["a"], values["b"]) in seen:
            continue
        seen.add((values["a"], values["b"]))
        strategy.begin(number, values)
        if number >= 3:  # three stay pending for ever
            strategy.end(number, (float(values["a"]),))

    assert len(seen) == 16


@pytest.mark.parametrize(("trials", "size"), [(None, 30), (5, 6), (200, 20), (5000, 50)])
def test_the_population_grows_with_the_budget(trials: int | None, size: int) -> None:
    """A tenth of the trials within bounds."""
    assert population_size(trials) == size


def test_fronts_are_numbered_from_the_best() -> None:
    """A point is in the first front if no other is as good in all and better in one."""
    points = np.array([[1.0, 4.0], [2.0, 2.0], [4.0, 1.0], [1.0, 1.0], [2.0, 2.0], [0.0, 0.0]])

    assert fronts(points).tolist() == [0, 0, 0, 1, 0, 2]


def test_crowding_is_the_distance_between_neighbours() -> None:
    """Ends are infinitely far; between them the sides of the box count, as shares of the span."""
    points = np.array([[0.0, 4.0], [1.0, 3.0], [3.0, 1.0], [4.0, 0.0]])

    assert crowding(points).tolist() == [np.inf, 1.5, 1.5, np.inf]


def test_the_order_ends_with_failures() -> None:
    """Fronts first, then the less crowded; what failed is last."""
    scores = [None, (0.0, 4.0), (1.0, 3.5), (1.5, 3.0), (4.0, 0.0), (1.0, 3.0)]

    assert order(scores) == [4, 1, 3, 2, 5, 0]
    assert order([(1.0,), None, (3.0,), (2.0,)]) == [2, 3, 0, 1]
    assert order([None, None]) == [1, 0]


def test_several_objectives_spread_over_a_front() -> None:
    """Between two peaks the last population holds trade-offs, from one end to the other."""

    def two(values: dict[str, Any]) -> tuple[float, float]:
        a, b = values["a"], values["b"]
        return -((a - 2) ** 2) - b**2, -((a + 2) ** 2) - b**2

    strategy = Evolution(Terms(space=BOWL, trials=200, objectives=2))
    run(strategy, 200, two)

    places = sorted(float(member.values["a"]) for member in strategy._population)
    assert places[0] < -1.5
    assert places[-1] > 1.5
    assert statistics.fmean(abs(float(m.values["b"])) for m in strategy._population) < 0.75
