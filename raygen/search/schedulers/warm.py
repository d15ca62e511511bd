"""How does Ray Tune get a worker for every slot, and keep it when trials end?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the package of schedulers is read where Ray is not to be loaded
    from ray.tune.schedulers import TrialScheduler


def keep_warm(scheduler: TrialScheduler, slots: Callable[[], int]) -> TrialScheduler:
    """Have Ray Tune start the workers of all slots at once, and keep them when trials end.

    Left to itself, Tune starts those of a searcher one after the other, each when the one before
    is up: a second for each slot of a cluster. Once all are up, it asks for one trial at a time
    again, so that each is proposed with all that is known.

    And it keeps an ended trial's actor only for a trial that is staged already, which a searcher
    that waits for results never has more than one of; it then throws warm workers away and spends
    seconds on new ones (4 against 22 trials a second). Schedulers are handed the controller, and
    its cache can be told to hold more, or fewer when slots are gone.
    """
    from raygen.search.controller import mend_controller

    def mend(controller: Any) -> None:
        clean_up, raised = controller._cleanup_cached_actors, 0

        def start_all(wanted: int) -> None:
            missing = wanted - controller._actor_manager.num_live_actors
            controller.update_max_pending_trials(max(missing, 1))

        def cleaned_up(force_all: bool = False) -> None:
            nonlocal raised
            trials, wanted = controller.get_live_trials(), slots()
            if trials and wanted != raised:
                kind = next(iter(trials)).placement_group_factory  # all trials want the same
                controller._actor_cache.increase_max(kind, by=wanted - raised)
                raised = wanted
            start_all(wanted)
            clean_up(force_all=force_all)

        controller._cleanup_cached_actors = cleaned_up
        start_all(slots())

    return mend_controller(scheduler, mend)
