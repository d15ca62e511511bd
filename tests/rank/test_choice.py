from __future__ import annotations

import math

import pytest

from raygen.rank.choice import RULES, Choice, Contender, choose

_LEADER = [0.9 + 0.01 * math.sqrt(3) * each for each in (-1.0, 0.0, 1.0)]
"""Its standard error is 0.01."""


def contender(gap: float = 0.0, **known: object) -> Contender:
    """Somebody so far behind the leader, with the same folds."""
    usual = {"tied": True, "complete": True, "num_parameters": 100}
    return Contender(scores=_LEADER, gap=gap, **(usual | known))  # type: ignore[arg-type]


def test_the_rule_of_one_error_keeps_who_is_within_it() -> None:
    """The best one's error is 0.01, so a gap of 0.009 is within it and one of 0.011 is not."""
    near, far = contender(0.009, num_parameters=50), contender(0.011, num_parameters=10)

    assert choose([contender(), near, far], "one-error").place == 1


def test_the_best_mean_is_that_of_all_folds() -> None:
    """Who was stopped early may have had the easy ones."""
    lucky = contender(-0.1, complete=False)

    assert choose([contender(), lucky], "mean") == Choice(0, "the best mean")


@pytest.mark.parametrize(
    ("rule", "known"),
    [
        ("simplest-tied", "num_parameters"),
        ("fastest-tied", "latency_ms"),
        ("aicc-tied", "aicc"),
    ],
)
def test_the_least_of_the_tied_is_taken(rule: str, known: str) -> None:
    """Whoever is worse beyond doubt may be as small as it likes; of equals the first is taken."""
    costs = [9, 5, 5, 1]
    found = [contender(0.1 * place, **{known: cost}) for place, cost in enumerate(costs[:3])]
    found.append(contender(0.3, tied=False, **{known: costs[3]}))

    choice = choose(found, rule)

    assert choice == Choice(1, f"{RULES[rule].told} of the 3 tied for first")


def test_where_nobody_knows_the_best_mean_is_taken() -> None:
    """And it is told."""
    told = "the best mean, for nobody knows the lowest latency"

    assert choose([contender(), contender(0.1)], "fastest-tied") == Choice(0, told)


def test_every_rule_of_the_config_is_there() -> None:
    """And none beside them."""
    from typing import get_args

    from raygen.config.rank_section import Rank

    assert set(get_args(Rank.model_fields["choose"].annotation)) == set(RULES)
