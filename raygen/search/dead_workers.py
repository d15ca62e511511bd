"""How does a trial outlive a worker that died before it was given the trial?"""

from __future__ import annotations

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from raygen.search.controller import mend_controller


def forgive_resets(scheduler: TrialScheduler) -> TrialScheduler:
    """Have Ray Tune try a trial again whose warm worker turns out to be dead.

    An idle worker's death is noticed when the next trial is handed to it. Tune then counts the
    one death twice: it puts the trial back into the queue, and gives it up on hearing of the same
    death once more, whatever its retries. And it goes on believing that the trial is being handed
    over, so that it would never start it. Schedulers are handed the controller, where this is set
    right.
    """
    return mend_controller(scheduler, _mend)


def _mend(controller: Any) -> None:
    process = controller._process_trial_failure

    def processed(trial: Trial, exception: Exception) -> None:
        controller._resetting_trials.discard(trial)
        waits = trial.status == Trial.PENDING and trial not in controller._trial_to_actor
        if not waits:  # else it is in the queue again already
            process(trial, exception)

    controller._process_trial_failure = processed
