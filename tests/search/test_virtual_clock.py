"""The virtual clock: what happens when, and what the parts of a search are told."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from raygen.config.space import Float, Int, Parameter, Space
from raygen.search.replay import Replayed, replay
from raygen.search.strategies.strategy import Scores, Strategy, Terms, Values

SPACE = Space(name="n", layers=(), parameters=(Parameter("n", Int(0, 9)),))


class Told(Strategy):
    """Counts up, and writes down what it is told."""

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self.events: list[tuple[Any, ...]] = []

    def propose(self) -> Values | None:
        """The next number, each of them twice."""
        return {"n": (self.asked - 1) // 2} if self.asked <= 20 else None

    def begin(self, number: int, values: Values) -> None:
        """Write it down."""
        self.events.append(("begin", number))

    def report(self, number: int, epoch: int, scores: Scores) -> None:
        """Write it down."""
        self.events.append((number, epoch, *scores))

    def end(self, number: int, scores: Scores | None) -> None:
        """Write it down."""
        self.events.append(("end", number, scores))


def run(curve: Any, **changes: Any) -> Replayed:
    """A short search of all ten numbers in their order."""
    terms = {"algorithm": "grid", "scheduler": "fifo", "max_epochs": 3, "trials": 4}
    return replay(SPACE, curve, **(terms | changes))


def test_time_is_what_the_epochs_take() -> None:
    """Two workers share four trials of three epochs; slow ones take longer, nobody waits."""
    done = run(
        lambda values: [values["n"]] * 3, workers=2, seconds=lambda v: 1.0 if v["n"] else [5, 1, 1]
    )

    assert [(trial.began_s, trial.ended_s) for trial in done.trials] == [
        (0, 7),
        (0, 3),
        (3, 6),
        (6, 9),
    ]
    assert done.seconds == 9
    assert done.utilisation == pytest.approx(16 / 18)


def test_latencies_are_waited_for() -> None:
    """A start costs its latency once a trial; the driver decides on one event at a time."""
    slow = run(lambda values: [0.0] * 3, trials=1, startup_s=10.0, decision_s=0.5)
    crowd = run(lambda values: [0.0] * 3, trials=8, workers=8, decision_s=2.0)

    assert slow.seconds == pytest.approx(10 + 3 * 1.5)
    assert crowd.seconds >= 8 * 3 * 2.0  # the driver is the bottleneck
    assert crowd.utilisation < 0.1


def test_a_strategy_is_told_all_once_and_in_order() -> None:
    """Scores are signed, failures are None, what is known already is not begun again."""
    told: list[Told] = []

    def strategy(terms: Terms) -> Told:
        told.append(Told(terms))
        return told[0]

    def curve(values: Values) -> list[float]:
        return [float(values["n"]), math.nan, 9.0] if values["n"] == 1 else [2.0, 1.0, 0.5]

    done = run(curve, algorithm=strategy, mode="min", trials=2)

    assert told[0].events == [
        ("begin", 0),
        (0, 1, -2.0),
        (0, 2, -1.0),
        (0, 3, -0.5),
        ("end", 0, (-0.5,)),
        ("begin", 1),
        (1, 1, -1.0),
        ("end", 1, None),
    ]
    assert [trial.state for trial in done.trials] == ["finished", "nan"]
    assert done.trials[1].values == {"n": 1}


def test_an_exhausted_space_ends_the_search() -> None:
    """A grid of ten gives ten trials, however many are asked for."""
    assert len(run(lambda values: [0.0] * 3, trials=50).trials) == 10


def test_a_lost_worker_ends_its_trial() -> None:
    """None in a curve is a worker that died for good: no score, and the others go on."""
    done = run(lambda values: [0.1, None, 0.2] if values["n"] == 0 else [0.1, 0.2, 0.3])

    assert [trial.state for trial in done.trials] == ["lost", "finished", "finished", "finished"]
    assert done.trials[0].curve == (0.1,)


def test_budgets_end_the_search() -> None:
    """Epochs are counted exactly; after the time no trial begins, and those that run go on."""
    epochs = run(lambda values: [0.0] * 3, trials=None, total_epochs=7)
    time = run(lambda values: [0.0] * 3, trials=None, time_budget_s=4.0)

    assert [len(trial.curve) for trial in epochs.trials] == [3, 3, 1]
    assert epochs.trials[-1].state == "stopped"
    assert [len(trial.curve) for trial in time.trials] == [3, 3]
    with pytest.raises(ValueError, match="one of trials, total_epochs"):
        run(lambda values: [0.0] * 3, trials=None)


@pytest.mark.parametrize(("mode", "best"), [("max", [1, 1, 3, 3]), ("min", [1, 1, 1, 0])])
def test_the_best_so_far_only_gets_better(mode: str, best: list[float]) -> None:
    """It follows the direction, and a failure is nobody's best."""
    done = run(lambda values: [1.0, math.nan] if values["n"] == 0 else [3.0, 0.0, 0.0], mode=mode,
               trials=2, max_epochs=2)  # fmt: skip

    np.testing.assert_array_equal(done.best_over_epochs(), best)
    times, same = done.best_over_seconds()
    np.testing.assert_array_equal(times, [1, 2, 3, 4])
    np.testing.assert_array_equal(same, best)


def test_several_objectives_are_tuples() -> None:
    """Each has its direction; one that is not finite fails the trial."""
    done = run(
        lambda values: [(1.0, math.nan if values["n"] == 2 else 5.0)] * 3, mode=("max", "min")
    )

    assert [trial.state for trial in done.trials] == ["finished", "finished", "nan", "finished"]
    assert done.trials[0].curve[-1] == (1.0, 5.0)


def test_a_move_switches_the_curve_and_takes_the_state_along() -> None:
    """After a move a trial has the donor's state and its own new values, and no epoch is lost."""
    space = Space(name="p", layers=(), parameters=(Parameter("lr", Float(0.0, 1.0), "training"),))

    def step(values: Values, epoch: int, state: Any) -> tuple[float, list[float]]:
        past = [*(state or []), float(values["lr"])]
        return sum(past), past

    done = replay(
        space, step=step, algorithm="random", scheduler="pbt", max_epochs=10, workers=8, trials=8
    )

    assert done.moves
    scores = {(trial, epoch): score for _, trial, epoch, score in done.epochs}
    for recipient, donor, epoch in done.moves:
        values = dict(done.trials[recipient].schedule)[epoch]
        if donor in {r for r, _, e in done.moves if e == epoch}:
            continue  # has been moved itself since then
        assert scores[recipient, epoch + 1] == pytest.approx(scores[donor, epoch] + values["lr"])
