"""How do the driver's memory and its time for an event not grow with trials that are over?"""

from __future__ import annotations

from typing import Any

from ray.tune.schedulers import TrialScheduler

from raygen.search.controller import mend_controller


def forget_ended(scheduler: TrialScheduler) -> TrialScheduler:
    """Have Ray Tune let go of a trial when it is over and its worker is somebody else's.

    Tune keeps every trial with its configuration and its last result, 15 kB and more, for a table
    that nobody here reads, and goes over all of them in each turn of its loop. The journal has
    what is known of them. Schedulers are handed the controller, where they are dropped; one is
    kept, without which Tune would look for the others on disk.
    """
    return mend_controller(scheduler, _mend)


def _mend(controller: Any) -> None:
    """Use the hook that Tune calls at the end of each turn."""

    def forget() -> None:
        over = controller._stopped_trials | controller._failed_trials
        gone = {each for each in over if each not in controller._trial_to_actor}
        if len(gone) < 2:
            return
        gone.discard(next(iter(gone)))
        for kept in (
            controller._stopped_trials,
            controller._failed_trials,
            controller._live_trials,
            controller._trials_to_cache,
            controller._staged_trials,
        ):
            kept -= gone
        # Tune's own list, which it also hands to callbacks
        controller._trials[:] = [each for each in controller._trials if each not in gone]

    controller.on_step_end = forget
