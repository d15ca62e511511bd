"""How does Ray Tune keep a worker for every slot when trials end?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the package of schedulers is read where Ray is not to be loaded
    from ray.tune.experiment import Trial
    from ray.tune.schedulers import TrialScheduler


def keep_warm(scheduler: TrialScheduler, slots: int) -> TrialScheduler:
    """Have Ray Tune keep the worker of every slot when its trial ends.

    Left to itself, Tune keeps an ended trial's actor only for a trial that is staged already,
    which a searcher that waits for results never has more than one of; it then throws warm
    workers away and spends seconds on new ones (4 against 22 trials a second). Schedulers are
    handed the controller, and its cache can be told to hold more.
    """
    on_trial_add = scheduler.on_trial_add
    raised: list[bool] = []

    def add(controller: Any, trial: Trial) -> None:
        if not raised:
            controller._actor_cache.increase_max(trial.placement_group_factory, by=slots)
            raised.append(True)
        on_trial_add(controller, trial)

    scheduler.on_trial_add = add
    return scheduler
