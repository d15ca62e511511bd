"""How is Ray Tune's controller reached, which nobody but its scheduler is handed?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler


def mend_controller(scheduler: TrialScheduler, mend: Callable[[Any], None]) -> TrialScheduler:
    """Have the controller mended when the scheduler is handed it, with its first trial.

    Args:
        scheduler: Is changed and returned.
        mend: Is called once, with the controller.
    """
    on_trial_add = scheduler.on_trial_add
    mended: list[bool] = []

    def add(controller: Any, trial: Trial) -> None:
        if not mended:
            mend(getattr(controller, "_tune_controller", controller))
            mended.append(True)
        on_trial_add(controller, trial)

    scheduler.on_trial_add = add
    return scheduler
