from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import TrialScheduler

from raygen.search.schedulers import SCHEDULERS, FiniteASHA, keep_warm

GO, STOP = TrialScheduler.CONTINUE, TrialScheduler.STOP


def asha(max_epochs: int = 9, mode: str = "max") -> FiniteASHA:
    """The scheduler of the YAML, as Ray Tune sets it up."""
    scheduler = SCHEDULERS["asha"](max_epochs)
    assert isinstance(scheduler, FiniteASHA)
    assert scheduler.set_search_properties("score", mode)
    return scheduler


def replay(scheduler: FiniteASHA, **curves: list[float]) -> dict[str, int]:
    """Show the trials' curves epoch by epoch; gives the last epoch of each."""
    trials = {name: SimpleNamespace(trial_id=name) for name in curves}
    for trial in trials.values():
        scheduler.on_trial_add(None, trial)
    ended: dict[str, int] = {}
    for epoch in range(1, max(map(len, curves.values())) + 1):
        for name, curve in curves.items():
            if name in ended or epoch > len(curve):
                continue
            result = {"epoch": epoch, "score": curve[epoch - 1]}
            failed = not math.isfinite(curve[epoch - 1])
            decision = scheduler.on_trial_result(None, trials[name], result)
            if decision == STOP or failed:
                assert decision == STOP, "a trial that failed may not go on"
                scheduler.on_trial_complete(None, trials[name], result)
                ended[name] = epoch
    return ended


def cutoffs(scheduler: FiniteASHA) -> list[dict[str, float]]:
    """What the rungs remember."""
    return [dict(recorded) for _, recorded in scheduler._brackets[0]._rungs]


def rising(start: float) -> list[float]:
    """A curve that keeps its distance to the others."""
    return [start + epoch / 100 for epoch in range(9)]


def test_the_better_third_goes_on() -> None:
    """Rungs stand at epochs 1 and 3 of 9; who is in the best third of a rung passes it."""
    ended = replay(
        asha(), a=rising(0.9), b=rising(0.8), c=rising(0.7), d=rising(0.6), e=rising(0.5)
    )

    assert ended["a"] == 9
    assert ended["c"] == ended["d"] == ended["e"] == 1


def test_a_score_that_is_minimised_is_read_the_other_way_round() -> None:
    """The lowest error goes on."""
    ended = replay(asha(mode="min"), a=rising(0.1), b=rising(0.5), c=rising(0.9))

    assert ended["a"] == 9
    assert ended["c"] == 1


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_failed_trial_is_stopped_and_leaves_no_trace(broken: float) -> None:
    """The others end as they would have without it, and no rung holds its number."""
    others = {"a": rising(0.9), "b": rising(0.8), "c": rising(0.7), "d": rising(0.6)}
    without, with_it = asha(), asha()

    expected = replay(without, **others)
    ended = replay(with_it, x=[broken], **others, y=[0.95, 0.95, broken])

    assert ended.pop("x") == 1
    assert ended.pop("y") == 3
    rungs = cutoffs(with_it)
    assert all("x" not in rung for rung in rungs)
    assert all(math.isfinite(score) for rung in rungs for score in rung.values())
    assert "x" not in with_it._trial_info
    assert ended["a"] == expected["a"] == 9


def test_a_trial_that_failed_first_stops_nobody() -> None:
    """In Ray's own ASHA a NaN in a rung makes the cutoff NaN, which lets everybody pass."""
    ended = replay(asha(), x=[math.nan], a=rising(0.9), b=rising(0.8), c=rising(0.7), d=rising(0.6))

    assert ended["d"] == 1


def test_ties_go_on_together() -> None:
    """Equal scores are on the cutoff, not below it."""
    ended = replay(asha(), a=rising(0.5), b=rising(0.5), c=rising(0.5))

    assert ended == {"a": 9, "b": 9, "c": 9}


@pytest.mark.parametrize("max_epochs", [1, 2, 3, 20])
def test_any_number_of_epochs_will_do(max_epochs: int) -> None:
    """Trials of a single epoch have nothing to be stopped in."""
    curve = [0.5] * max_epochs

    assert replay(asha(max_epochs), a=curve, b=curve) == {"a": max_epochs, "b": max_epochs}


def test_fifo_lets_everybody_finish() -> None:
    """The other scheduler of the table never stops a trial."""
    trial: Any = SimpleNamespace(trial_id="a")

    assert SCHEDULERS["fifo"](9).on_trial_result(None, trial, {"epoch": 1, "score": 0.0}) == GO


def test_every_slot_keeps_its_worker() -> None:
    """Ray Tune's cache of idle actors is told once to hold one for each slot."""
    told: list[tuple[str, int]] = []
    cache = SimpleNamespace(increase_max=lambda factory, by: told.append((factory, by)))
    controller: Any = SimpleNamespace(_actor_cache=cache)
    scheduler = keep_warm(asha(), 5)

    for name in "ab":
        trial: Any = SimpleNamespace(trial_id=name, placement_group_factory="one CPU")
        scheduler.on_trial_add(controller, trial)

    assert told == [("one CPU", 5)]
    assert scheduler._trial_info.keys() == {"a", "b"}
