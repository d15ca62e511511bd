"""Which candidate is tried next, whatever the strategy."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from raygen.config.space import Choice, Float, Int, Parameter, Prior, Space
from raygen.search.candidates import Candidates, Refused
from raygen.search.priors import Beliefs
from raygen.search.strategies.strategy import Scores, Strategy, Terms, Values

LINE = Space("line", (), parameters=(Parameter("x", Int(0, 9)),))


class Scripted(Strategy):
    """Proposes what it was given, and writes down what it hears."""

    def __init__(self, values: Sequence[int], seed: int = 0) -> None:
        super().__init__(Terms(space=LINE, seed=seed, max_epochs=3))
        self.script = list(values)
        self.heard: list[tuple[object, ...]] = []

    def propose(self) -> Values | None:
        """The next line of the script."""
        return {"x": self.script.pop(0)} if self.script else None

    def begin(self, number: int, values: Values) -> None:
        """Write it down."""
        self.heard.append(("begin", number, values["x"]))

    def report(self, number: int, epoch: int, scores: Scores) -> None:
        """Write it down."""
        self.heard.append(("report", number, epoch, scores))

    def pause(self, number: int, scores: Scores) -> None:
        """Write it down."""
        self.heard.append(("pause", number, scores))

    def end(self, number: int, scores: Scores | None) -> None:
        """Write it down."""
        self.heard.append(("end", number, scores))


def taken(candidates: Candidates, count: int) -> list[tuple[object, int]]:
    """What is proposed, each begun at once."""
    found: list[tuple[object, int]] = []
    for number in range(count):
        proposal = candidates.next()
        if proposal is None:
            break
        candidates.begin(number, proposal.values, proposal.repeat)
        found.append((proposal.values["x"], proposal.repeat))
    return found


def test_no_candidate_comes_twice() -> None:
    """What was begun is not proposed again, whoever proposes it."""
    candidates = Candidates(Scripted([1, 1, 2, 1, 3]), first=[{"x": 3}])

    assert taken(candidates, 9) == [(3, 0), (1, 0), (2, 0)]


def test_what_is_not_allowed_is_never_begun() -> None:
    """A refused proposal is passed over, and its reason is asked for once."""
    asked = []

    def refusal(values: object) -> str:
        asked.append(values)
        return "odd" if values["x"] % 2 else ""  # type: ignore[index]

    strategy = Scripted([1, 2, 1, 4])

    assert taken(Candidates(strategy, refusal=refusal), 9) == [(2, 0), (4, 0)]
    assert asked == [{"x": 1}, {"x": 2}, {"x": 4}]
    assert [each[0] for each in strategy.heard] == ["begin", "begin"]


def test_a_strategy_that_proposes_nothing_allowed_is_not_asked_for_ever() -> None:
    """The reason of the last refusal is told."""
    candidates = Candidates(Scripted([5] * 1000), refusal=lambda _: "too wide")

    with pytest.raises(Refused, match="too wide"):
        candidates.next()


def test_repeats_come_together_and_the_strategy_hears_their_mean() -> None:
    """Each candidate is begun so many times in a row; one score is told, when all are known."""
    strategy = Scripted([7, 8])
    candidates = Candidates(strategy, repeats=2)

    assert taken(candidates, 9) == [(7, 0), (7, 1), (8, 0), (8, 1)]
    for number, score in enumerate([0.2, 0.4, 0.5, 0.5]):
        candidates.report(number, 1, (score,))
        candidates.end(number, (score,) if number != 3 else None)

    assert [each for each in strategy.heard if each[0] != "begin"] == [
        ("report", 0, 1, (pytest.approx(0.3),)),
        ("end", 0, (pytest.approx(0.3),)),
        ("report", 2, 1, (0.5,)),
        ("end", 2, None),  # a failed repeat counts against its candidate
    ]


def test_repeats_of_an_earlier_session_are_not_begun_again() -> None:
    """Only those that are missing come."""
    candidates = Candidates(Scripted([8]), repeats=3)
    candidates.begin(0, {"x": 7}, 0)
    candidates.begin(1, {"x": 7}, 1)

    assert taken(candidates, 2) == [(7, 2), (8, 0)]


def test_what_another_run_measured_is_learnt_under_numbers_of_its_own() -> None:
    """The strategy hears of it as of a candidate that was trained for all epochs."""
    strategy = Scripted([7])
    candidates = Candidates(strategy)
    candidates.recall({"x": 5}, (0.5,))

    assert strategy.heard == [("begin", -1, 5), ("report", -1, 3, (0.5,)), ("end", -1, (0.5,))]
    assert taken(candidates, 1) == [(7, 0)]


def believing(confidence: str) -> Space:
    """A space with beliefs about a number on a log scale and a choice."""
    rate = Float(1e-5, 1e-1, log=True)
    optimizer = Choice(("adam", "sgd", "lion"))
    return Space(
        "believing",
        (),
        parameters=(
            Parameter("rate", rate, prior=Prior(1e-3, confidence)),  # type: ignore[arg-type]
            Parameter("optimizer", optimizer, prior=Prior("sgd", confidence)),  # type: ignore[arg-type]
            Parameter("depth", Int(1, 9)),
        ),
    )


def test_a_belief_is_tried_first_and_then_draws_near() -> None:
    """The belief itself comes first; later proposals lie around it, ever fewer of them."""
    space = believing("high")
    beliefs = Beliefs(space, seed=0)

    drawn = [beliefs.propose(number) for number in range(200)]

    assert drawn[0] is not None
    assert (drawn[0]["rate"], drawn[0]["optimizer"]) == (1e-3, "sgd")
    early = [each for each in drawn[:10] if each is not None]
    late = [each for each in drawn[100:] if each is not None]
    assert len(early) >= 4
    assert len(late) < 20
    for each in (*early, *late):
        space.validate(each)
    assert sum(3e-4 < each["rate"] < 3e-3 for each in early) > len(early) / 2  # type: ignore[operator]


def test_without_beliefs_the_strategy_proposes_everything() -> None:
    """A space without priors has none to draw from."""
    assert not Beliefs(LINE, seed=0)
    assert Beliefs(LINE, seed=0).propose(0) is None


def test_dice_go_on_where_an_earlier_session_left_them() -> None:
    """After a resume the same candidates come as without the interruption."""
    whole = Candidates(Scripted(range(6)))
    expected = taken(whole, 6)

    first = Candidates(Scripted(range(6)))
    begun = taken(first, 3)
    strategy = Scripted(range(3, 6))
    second = Candidates(strategy)
    for number, (x, repeat) in enumerate(begun):
        second.begin(number, {"x": x}, repeat)  # type: ignore[dict-item]
    second.go_on_from(first.drawn())

    assert strategy.asked == 3
    assert begun + taken(second, 3) == expected


def test_a_candidate_sleeps_when_none_of_its_repeats_runs() -> None:
    """The strategy hears their mean when the last of them pauses or has ended, and once more."""
    strategy = Scripted([])
    candidates = Candidates(strategy, repeats=2)
    values: Values = {"x": 4}
    for repeat in (0, 1):
        candidates.begin(repeat, values, repeat)
        candidates.report(repeat, 1, (float(repeat),))

    candidates.pause(0, (0.0,))
    before = len(strategy.heard)
    candidates.pause(1, (1.0,))
    candidates.report(0, 2, (3.0,))
    candidates.end(0, (3.0,))
    candidates.end(1, (1.0,))

    assert strategy.heard[before:] == [("pause", 0, (0.5,)), ("end", 0, (2.0,))]
