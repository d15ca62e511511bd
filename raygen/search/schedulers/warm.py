"""How does Ray Tune keep a worker for every slot when trials end?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the package of schedulers is read where Ray is not to be loaded
    from ray.tune.schedulers import TrialScheduler


def keep_warm(scheduler: TrialScheduler, slots: Callable[[], int]) -> TrialScheduler:
    """Have Ray Tune keep the worker of every slot when its trial ends.

    Left to itself, Tune keeps an ended trial's actor only for a trial that is staged already,
    which a searcher that waits for results never has more than one of; it then throws warm
    workers away and spends seconds on new ones (4 against 22 trials a second). Schedulers are
    handed the controller, and its cache can be told to hold more, or fewer when slots are gone.
    """
    from raygen.search.controller import mend_controller

    def mend(controller: Any) -> None:
        clean_up, raised = controller._cleanup_cached_actors, 0

        def cleaned_up(force_all: bool = False) -> None:
            nonlocal raised
            trials = controller.get_live_trials()
            if trials and (wanted := slots()) != raised:
                kind = next(iter(trials)).placement_group_factory  # all trials want the same
                controller._actor_cache.increase_max(kind, by=wanted - raised)
                raised = wanted
            clean_up(force_all=force_all)

        controller._cleanup_cached_actors = cleaned_up

    return mend_controller(scheduler, mend)
