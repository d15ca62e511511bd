from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from raygen.config.space import Choice, Condition, Float, Int, Parameter, Space
from raygen.search.strategies import load_strategy
from raygen.search.strategies.strategy import Scores, Strategy, Terms

SPACE = Space(
    "layers",
    (),
    parameters=(
        Parameter("kind", Choice(("conv", "pool", "skip"))),
        Parameter("kernel", Choice((1, 3, 5, 7)), when=Condition("kind", ("conv",))),
        Parameter("width", Int(1, 300, log=True)),
        Parameter("rate", Float(0.0, 1.0)),
        Parameter("lone", Choice(("x",))),
    ),
)


def run(strategy: Strategy, count: int, score: Callable[[Any], Scores | None]) -> list[Any]:
    """What is proposed when each candidate's score is told before the next is asked for."""
    proposals = []
    for number in range(count):
        values = strategy.ask()
        proposals.append(values)
        strategy.begin(number, dict(values or {}))
        strategy.end(number, score(values))
    return proposals


def good(values: dict[str, Any]) -> Scores:
    """The best candidate is a convolution of kernel 5 with a high rate."""
    return ((values["kind"] == "conv") + (values.get("kernel") == 5) + values["rate"],)


def test_good_choices_become_likely() -> None:
    """Of the last proposals most have the best option, its best child and a high number."""
    proposals = run(load_strategy("reinforce", Terms(space=SPACE)), 300, good)

    last = proposals[-60:]
    for values in proposals:
        SPACE.validate(values)
    assert statistics.fmean(values["kind"] == "conv" for values in last) > 0.75
    assert statistics.fmean(values.get("kernel") == 5 for values in last) > 0.5
    assert statistics.fmean(values["rate"] for values in last) > 0.7


def test_the_scale_of_scores_does_not_matter() -> None:
    """Scores a million times as large, and shifted, lead to the same proposals."""
    usual = run(load_strategy("reinforce", Terms(space=SPACE)), 80, good)

    other = run(
        load_strategy("reinforce", Terms(space=SPACE)),
        80,
        lambda values: (2.0**20 * (good(values)[0] + 1),),
    )

    assert other == usual


def test_equal_scores_teach_nothing_but_entropy() -> None:
    """Ties leave all options about as likely as they were."""
    proposals = run(load_strategy("reinforce", Terms(space=SPACE)), 200, lambda _: (1.0,))

    shares = [
        statistics.fmean(v["kind"] == kind for v in proposals[100:]) for kind in ("conv", "pool")
    ]
    assert all(0.2 < share < 0.5 for share in shares)


def test_failures_are_as_bad_as_the_worst_score() -> None:
    """An option that always fails is given up; failures alone change nothing and go on."""

    def score(values: dict[str, Any]) -> Scores | None:
        return None if values["kind"] == "pool" else (values["rate"],)

    proposals = run(load_strategy("reinforce", Terms(space=SPACE)), 250, score)
    failures = run(load_strategy("reinforce", Terms(space=SPACE)), 30, lambda _: None)

    assert statistics.fmean(values["kind"] == "pool" for values in proposals[-80:]) < 0.15
    assert {"conv", "pool", "skip"} == {values["kind"] for values in failures}


def test_its_state_is_what_it_was_told() -> None:
    """Told the same in the same order, a second one proposes the same from there on."""
    first = load_strategy("reinforce", Terms(space=SPACE, seed=5))
    done = run(first, 40, good)
    second = load_strategy("reinforce", Terms(space=SPACE, seed=5))
    second.skip(40)
    for number, values in enumerate(done):
        second.begin(number, values)
        second.end(number, good(values))

    assert [second.ask() for _ in range(5)] == [first.ask() for _ in range(5)]


def test_a_pending_candidate_is_drawn_again() -> None:
    """With every candidate but one pending, that one comes up sooner than by chance."""
    space = Space("four", (), parameters=(Parameter("kind", Choice(("a", "b", "c", "d"))),))
    strategy = load_strategy("reinforce", Terms(space=space))
    for number, kind in enumerate("abc"):
        strategy.begin(number, {"kind": kind})

    assert [strategy.ask() for _ in range(20)].count({"kind": "d"}) > 15
