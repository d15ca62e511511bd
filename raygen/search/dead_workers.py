"""How does a trial outlive a worker that died before it was given the trial?"""

from __future__ import annotations

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from raygen.execute.losses import Losses
from raygen.search.controller import mend_controller


def forgive_resets(scheduler: TrialScheduler) -> TrialScheduler:
    """Have Ray Tune try a trial again whose warm worker turns out to be dead.

    An idle worker's death is noticed when the next trial is handed to it. Tune then counts the
    one death twice: it puts the trial back into the queue, and gives it up on hearing of the same
    death once more, whatever its retries. And it goes on believing that the trial is being handed
    over, so that it would never start it. Schedulers are handed the controller, where this is set
    right. What a node took along does not count against the trial.
    """
    return mend_controller(scheduler, _mend)


def _mend(controller: Any) -> None:
    process, losses = controller._process_trial_failure, Losses()

    def processed(trial: Trial, exception: Any) -> None:
        controller._resetting_trials.discard(trial)
        waits = trial.status == Trial.PENDING and trial not in controller._trial_to_actor
        if waits:  # in the queue again already
            return
        by_tune = getattr(exception, "preempted", False)
        if losses.forgives(trial, exception) and not by_tune:
            trial.run_metadata.num_failures -= 1
        process(trial, exception)

    controller._process_trial_failure = processed
