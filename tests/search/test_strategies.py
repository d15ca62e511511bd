from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from raygen.config.space import Choice, Condition, Float, Int, Parameter, Space
from raygen.errors import EnvironmentProblem
from raygen.search import strategies
from raygen.search.strategies import Row, Strategy, Terms, load_strategy
from raygen.search.strategies.coordinates import Coordinate
from raygen.search.strategies.subset import Observation, subset

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
    proposals: list[dict[str, Any]] = []
    for number in range(count):
        values = strategy.ask()
        if values is None:
            break
        proposals.append(values)
        strategy.begin(number, dict(values))
        found = score(values)
        strategy.end(number, None if found is None else (found,))
    return proposals


def made(name: str, space: Space, **known: Any) -> Strategy:
    """A strategy for a space."""
    return load_strategy(name, Terms(space=space, **known))


def test_a_grid_tries_each_combination_once_and_ends() -> None:
    """Active combinations only; after the last there is nothing more."""
    grid = made("grid", SMALL)

    proposals = asked(grid, 100, lambda _: 0.0)

    assert len(proposals) == SMALL.size() == 8
    assert len({str(values) for values in proposals}) == 8
    assert grid.ask() is None
    assert proposals[0] == {"optimizer": "adamw", "depth": 1}


def test_a_grid_of_a_continuous_range_has_its_ends() -> None:
    """A range without steps gives three values, the middle one by its scale."""
    space = Space("one", (), parameters=(Parameter("rate", Float(1e-4, 1e-2, log=True)),))

    proposals = asked(made("grid", space), 9, lambda _: 0.0)

    assert [values["rate"] for values in proposals] == pytest.approx([1e-4, 1e-3, 1e-2])


def test_sobol_points_lie_evenly() -> None:
    """Of 16 points each sixteenth of every range has one."""
    proposals = asked(made("sobol", BOWL), 16, lambda _: 0.0)

    for name in ("a", "b"):
        assert sorted(int((values[name] + 5) * 1.6) for values in proposals) == list(range(16))


@pytest.mark.parametrize("name", ["hyperopt", "hyperopt-anneal"])
def test_hyperopt_avoids_what_fails(name: str) -> None:
    """A failure is worse than every score."""

    def half_fails(values: dict[str, Any]) -> float | None:
        return None if values["a"] > 0 else 0.0

    proposals = asked(made(name, BOWL), 60, half_fails)

    assert sum(values["a"] > 0 for values in proposals[30:]) < 8  # of 30; a draw would be 15


@pytest.mark.parametrize("name", ["hyperopt", "optuna-tpe", "optuna-cmaes", "optuna-nsga2"])
def test_failures_alone_are_survived(name: str) -> None:
    """A search in which every trial fails goes on proposing."""
    proposals = asked(made(name, BOWL), 30, lambda _: None)

    assert len({str(values) for values in proposals}) == 30


def test_values_keep_the_digits_that_matter() -> None:
    """A narrow range far from zero is not rounded to its ends; a wide one has few digits."""
    narrow = Coordinate(Parameter("narrow", Float(1000.1, 1000.9)))
    wide = Coordinate(Parameter("wide", Float(1e-5, 1e-1, log=True)))

    assert narrow.value(1000.123456789) == pytest.approx(1000.12346, abs=1e-9)
    assert wide.value(0.0023456789123) == pytest.approx(0.002346, abs=1e-12)


def test_a_coordinate_gives_every_value_back() -> None:
    """Steps, options that look alike, and whole numbers on a log scale."""
    for domain in (Float(0.5, 0.9, step=0.1), Int(8, 45, step=8), Int(3, 300, log=True)):
        coordinate = Coordinate(Parameter("p", domain))
        for value in domain.grid(5):
            assert coordinate.value(coordinate.number(value)) == value
    options = Coordinate(Parameter("p", Choice((1, True, "1", 0, False))))

    assert [options.number(each) for each in (1, True, "1", 0, False)] == [0, 1, 2, 3, 4]


def observations(count: int, objectives: int = 1) -> list[Observation]:
    """Observations with random scores, every tenth a failure."""
    rng = np.random.default_rng(0)
    return [
        Observation(
            number=number,
            values={"a": number},
            scores=None if number % 10 == 0 else tuple(map(float, rng.random(objectives))),
            epoch=1,
            lot=float(rng.random()),
        )
        for number in range(count)
    ]


def test_a_subset_has_the_best_and_the_newest() -> None:
    """A third is the best, a third the newest, in their order; few are all kept."""
    known = observations(1000)
    best = sorted((each for each in known if each.scores), key=lambda each: each.scores or ())

    chosen = subset(known, limit=90)

    assert len(chosen) == 90
    assert chosen == sorted(chosen, key=lambda each: each.number)
    assert {each.number for each in best[-30:]} <= {each.number for each in chosen}
    assert set(range(970, 1000)) <= {each.number for each in chosen}
    assert subset(known[:90], limit=90) == known[:90]


def test_a_subset_with_several_objectives_has_the_front() -> None:
    """What no other dominates is among the best."""
    known = observations(600, objectives=2)
    scored = [each for each in known if each.scores]
    front = {
        each.number
        for each in scored
        if not any(
            all(o >= s for o, s in zip(other.scores or (), each.scores or (), strict=True))
            and other.scores != each.scores
            for other in scored
        )
    }

    assert front <= {each.number for each in subset(known, limit=150)}


def test_a_study_stays_small() -> None:
    """Past its limit Optuna's study is made anew of a subset, pending trials included."""
    strategy: Any = made("optuna-tpe", BOWL)
    limit = strategy.limit
    for number in range(2 * limit):
        strategy.begin(number, {"a": 0.0, "b": 0.0})
        if number:
            strategy.end(number, (float(number),))

    states = [trial.state.name for trial in strategy.storage.get_all_trials(strategy.study_id)]
    assert states.count("COMPLETE") <= 1.25 * limit
    assert states.count("RUNNING") == 1


@pytest.mark.parametrize("name", ["optuna-cmaes", "optuna-nsga2", "optuna-nsga3"])
def test_what_is_forgotten_changes_no_proposal(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study without the generations before the last two samples like one that has them all."""

    def searched(full: int) -> tuple[list[dict[str, Any]], int]:
        monkeypatch.setattr("raygen.search.strategies.optuna_evolution._FULL", full)
        strategy: Any = made(name, BOWL, trials=40)
        proposals: list[dict[str, Any]] = []
        for number in range(120):
            proposals.append(strategy.ask())
            strategy.begin(number, proposals[-1])
            if number >= 3:  # three are pending
                ended = proposals[number - 3]
                strategy.end(number - 3, (-(ended["a"] ** 2),) if number % 7 else None)
        return proposals, strategy.storage.get_n_trials(strategy.study_id)

    (forgetful, few), (whole, many) = searched(20), searched(10_000)

    assert forgetful == whole
    assert few <= 90 < many


@pytest.mark.parametrize("name", ["optuna-cmaes", "optuna-nsga2"])
def test_a_study_of_generations_stays_small(name: str) -> None:
    """However many trials there were, the study has a few hundred at most."""
    strategy: Any = made(name, BOWL)
    for number in range(600):
        strategy.begin(number, {"a": float(number % 5), "b": 0.0})
        strategy.end(number, (float(number),))

        assert strategy.storage.get_n_trials(strategy.study_id) <= 300


@pytest.mark.parametrize(("count", "milestone"), [(1, 1), (19, 19), (21, 20), (23, 22), (150, 149)])
def test_hyperparameters_are_fitted_when_there_is_a_tenth_more(count: int, milestone: int) -> None:
    """Anew for each of the first 20 observations, then seldom, whatever was asked in between."""
    from raygen.search.strategies.skopt import _milestone

    assert _milestone(count) == milestone


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy whose package is not installed says what to type."""
    row = Row(loads="no_such_package.skopt:Skopt", package="'raygen[skopt]'")
    monkeypatch.setitem(strategies.STRATEGIES, "lost", row)

    with pytest.raises(EnvironmentProblem, match="needs the package no_such_package") as problem:
        made("lost", BOWL)

    assert "pip install 'raygen[skopt]'" in str(problem.value)
