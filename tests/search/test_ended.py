"""What is left of trials that are over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from raygen.search.ended import forget_ended


def controller_of(running: list[str], ended: list[str], failed: list[str]) -> Any:
    """A controller with a trial in each state that counts here."""
    trials = [*running, *ended, *failed]
    controller = SimpleNamespace(
        _trials=list(trials),
        _live_trials=set(trials),
        _trials_to_cache=set(trials),
        _staged_trials=set(),
        _stopped_trials=set(ended),
        _failed_trials=set(failed),
        _trial_to_actor={name: "worker" for name in running},
    )
    scheduler = forget_ended(SimpleNamespace(on_trial_add=lambda *_: None))
    scheduler.on_trial_add(SimpleNamespace(_tune_controller=controller), trials[0])
    return controller


def test_what_is_over_is_let_go_of() -> None:
    """Whoever runs stays, and of the others one, so that Tune's own table is not empty."""
    controller = controller_of(["a", "b"], ["c", "d", "e"], ["f"])
    handed_out = controller._trials

    controller.on_step_end()

    assert controller._trials is handed_out
    assert controller._trials[:2] == ["a", "b"]
    assert len(controller._trials) == 3
    assert controller._live_trials == controller._trials_to_cache == set(controller._trials)
    assert len(controller._stopped_trials | controller._failed_trials) == 1


def test_a_trial_keeps_its_place_while_its_worker_is_its_own() -> None:
    """A worker that is still being stopped finds the trial that it belongs to."""
    controller = controller_of([], ["a", "b", "c"], [])
    controller._trial_to_actor["b"] = "worker"

    controller.on_step_end()

    assert "b" in controller._trials
    assert len(controller._trials) == 2
