from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ray.tune.experiment import Trial

from raygen.search.dead_workers import forgive_resets


def mended() -> Any:
    """A controller after its first trial was added."""
    controller = SimpleNamespace(_resetting_trials=set(), _trial_to_actor={}, failed=[])
    controller._process_trial_failure = lambda trial, error: controller.failed.append(trial)
    scheduler = forgive_resets(SimpleNamespace(on_trial_add=lambda *_: None))
    for name in ("first", "second"):
        scheduler.on_trial_add(SimpleNamespace(_tune_controller=controller), name)
    return controller


class Waiting:
    """A trial, as far as its status goes."""

    status = Trial.PENDING


def test_one_death_is_one_failure() -> None:
    """A trial that is in the queue again is not failed by the echo of its worker's death."""
    controller, trial = mended(), Waiting()
    controller._trial_to_actor[trial] = "worker"
    controller._process_trial_failure(trial, OSError())
    del controller._trial_to_actor[trial]

    controller._process_trial_failure(trial, OSError())

    assert controller.failed == [trial]


def test_a_trial_can_be_handed_over_again() -> None:
    """Tune forgets that the trial was on its way to the worker that is dead."""
    controller, trial = mended(), Waiting()
    controller._resetting_trials.add(trial)

    controller._process_trial_failure(trial, OSError())

    assert controller._resetting_trials == set()
