"""The rule behind ``algorithm: auto``."""

from __future__ import annotations

from typing import Any

import pytest

from raygen.config.space import Choice, Float, Int, Parameter, Space
from raygen.search.strategies import STRATEGIES, load_strategy
from raygen.search.strategies.auto import MANY_PARAMETERS, MANY_WORKERS, choose_algorithm
from raygen.search.strategies.strategy import Terms

REAL = Space("real", (), parameters=(Parameter("a", Float(0, 1)), Parameter("b", Int(1, 9))))
TINY = Space("tiny", (), parameters=(Parameter("c", Choice(("x", "y"))), Parameter("b", Int(1, 3))))
LOGS = Space("logs", (), parameters=(Parameter("width", Int(1, 64, log=True)),))
LONG = Space(
    "long", (), parameters=tuple(Parameter(f"p{k}", Float(0, 1)) for k in range(MANY_PARAMETERS))
)


@pytest.mark.parametrize(
    ("space", "terms", "expected"),
    [
        pytest.param(REAL, {"trials": 20}, "gp", id="usual"),
        pytest.param(REAL, {}, "gp", id="budget not in trials"),
        pytest.param(REAL, {"trials": 20, "workers": 8}, "gp", id="eight workers"),
        pytest.param(TINY, {"trials": 6}, "grid", id="all candidates fit"),
        pytest.param(TINY, {"trials": 5}, "gp", id="not all candidates fit"),
        pytest.param(TINY, {}, "gp", id="finite, but no budget in trials"),
        pytest.param(REAL, {"trials": 8, "workers": 8}, "sobol", id="all at once"),
        pytest.param(REAL, {"trials": 9999, "workers": MANY_WORKERS}, "bohb", id="many workers"),
        pytest.param(LONG, {"trials": 20}, "bohb", id="many parameters"),
        pytest.param(REAL, {"trials": 20, "objectives": 2}, "evolution", id="a front"),
        pytest.param(LOGS, {"trials": 99}, "gp", id="a grid would leave some out"),
        pytest.param(TINY, {"trials": 6, "objectives": 2}, "grid", id="all of a front"),
    ],
)
def test_the_rule(space: Space, terms: dict[str, Any], expected: str) -> None:
    """Each case leads to the row that the documentation names."""
    assert choose_algorithm(Terms(space=space, **terms))[0] == expected


@pytest.mark.parametrize("objectives", [1, 2])
def test_what_is_chosen_can_do_it(objectives: int) -> None:
    """The chosen row honours conditions and options, and fronts where there are objectives."""
    for space in (REAL, TINY, LONG):
        for workers in (1, MANY_WORKERS):
            terms = Terms(space=space, objectives=objectives, workers=workers, trials=6)
            row = STRATEGIES[choose_algorithm(terms)[0]]

            assert row.conditions
            assert row.choices
            assert row.objectives or objectives == 1
            assert not row.needs  # nothing that RayGen does not bring along


def test_auto_is_the_chosen_strategy() -> None:
    """The row ``auto`` makes the very strategy that the rule names."""
    terms = Terms(space=REAL, trials=20)
    chosen = load_strategy(choose_algorithm(terms)[0], terms)
    made = load_strategy("auto", terms)

    assert type(made) is type(chosen)
    assert made.ask() == chosen.ask()


def test_the_reason_is_told() -> None:
    """Numbers that decided stand in the reason."""
    assert "6 candidates" in choose_algorithm(Terms(space=TINY, trials=10))[1]
