"""What ends a search, and whether it has ended for a larger budget."""

from __future__ import annotations

from typing import Any

import pytest

from raygen.config.search_section import Search
from raygen.config.space import Float, Int, Parameter, Space
from raygen.runs.records import History, State, TrialRecord
from raygen.search.budget import Budget, expected_trials, is_covered, num_trials


def trial(number: int, *curve: float, state: State = State.FINISHED) -> TrialRecord:
    """A trial with the scores of its epochs."""
    return TrialRecord(
        trial_id=f"{number:05d}",
        values={},
        candidate="",
        source_sha="",
        num_parameters=0,
        state=state,
        epoch=len(curve),
        curve=curve,
    )


def budget(sign: float = 1.0, **settings: Any) -> Budget:
    """A budget whose clock stands at 100 s."""
    return Budget(Search(**settings), sign=sign, clock=lambda: 100.0)


def test_epochs_are_counted_once() -> None:
    """A trial is looked at after each epoch and at its end; a repeated look adds nothing."""
    spent = budget(total_epochs=5)

    spent.note(trial(0, 0.1, state=State.RUNNING))
    spent.note(trial(0, 0.1, 0.2, state=State.RUNNING))
    spent.note(trial(0, 0.1, 0.2))
    spent.note(trial(1, 0.1, 0.2, state=State.RUNNING))
    assert spent.spent() == ""
    spent.note(trial(1, 0.1, 0.2, 0.3, state=State.RUNNING))

    assert spent.spent() == "epochs"


@pytest.mark.parametrize(("sign", "score", "reason"), [(1, 0.9, "target"), (-1, 0.9, "")])
def test_a_target_is_reached_in_the_direction_of_the_metric(
    sign: float, score: float, reason: str
) -> None:
    """At least 0.8 of an accuracy, at most 0.8 of a loss."""
    spent = budget(sign, target=0.8)

    spent.note(trial(0, score, state=State.RUNNING))

    assert spent.spent() == reason


def test_a_plateau_is_so_many_trials_without_a_better_score() -> None:
    """A better one begins the count anew; failures count."""
    spent = budget(plateau=3)

    for number, score in enumerate([0.5, 0.4, 0.5, 0.6, 0.1]):
        spent.note(trial(number, score))
    spent.note(trial(5, state=State.NAN))
    assert spent.spent() == ""
    spent.note(trial(6, 0.6))

    assert spent.spent() == "plateau"


def test_time_of_earlier_sessions_counts() -> None:
    """The budget is a total; when it is over no trial begins, and those that run go on."""
    clock = iter([100.0, 159.0, 161.0, 161.0])
    spent = Budget(
        Search(time_budget=90.0), sign=1.0, seconds_before=30.0, clock=lambda: next(clock)
    )

    assert spent.closed() == ""
    assert spent.closed() == "time budget"
    assert spent.spent() == ""


def test_repeats_multiply_the_trials() -> None:
    """A budget of candidates is one of so many trials each; a finite space has no more."""
    ten = Space("ten", (), parameters=(Parameter("x", Int(1, 10)),))
    endless = Space("endless", (), parameters=(Parameter("x", Float(0, 1)),))

    assert num_trials(Search(trials=4, repeats=5)) == 20
    assert expected_trials(Search(trials=40, repeats=5), ten) == 50
    assert expected_trials(Search(trials=4), endless) == 4
    assert expected_trials(Search(trials=None), endless) == 0


@pytest.mark.parametrize(
    ("ended", "search", "covered"),
    [
        ({"trials": 4, "reason": "trials"}, {"trials": 4}, True),
        ({"trials": 4, "reason": "trials"}, {"trials": 5}, False),
        ({"trials": 4, "reason": "trials"}, {"trials": None}, False),
        ({"trials": None, "reason": "nothing new to try"}, {"trials": 9}, True),
        ({"trials": 4, "reason": "epochs", "total_epochs": 9}, {"total_epochs": 9}, False),
        ({"trials": 20, "reason": "epochs", "total_epochs": 9}, {"total_epochs": 9}, True),
        ({"trials": 20, "reason": "epochs", "total_epochs": 9}, {"total_epochs": 10}, False),
        ({"trials": 20, "reason": "epochs", "total_epochs": 9}, {}, False),
        ({"trials": 20, "reason": "time budget", "time_budget": 9.0}, {"time_budget": 9.0}, True),
        ({"trials": 20, "reason": "time budget", "time_budget": 9.0}, {"time_budget": 10.0}, False),
        ({"trials": 20, "reason": "target", "target": 0.5}, {"target": 0.5}, True),
        ({"trials": 20, "reason": "target", "target": 0.5}, {"target": 0.6}, False),
        ({"trials": 20, "reason": "plateau", "plateau": 5}, {"plateau": 6}, False),
    ],
)
def test_a_search_is_over_for_the_budget_that_ended_it(
    ended: dict[str, Any], search: dict[str, Any], covered: bool
) -> None:
    """And goes on with more of what it had run out of."""
    history = History().after([{"event": "searched", **ended}])

    assert is_covered(history, Search(**search)) is covered
    assert not is_covered(History(), Search(**search))
