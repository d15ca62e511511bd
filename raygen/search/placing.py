"""On which nodes may Ray Tune start the workers of trials?"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from ray.tune.schedulers import TrialScheduler
from ray.util.placement_group import PlacementGroup, placement_group

from raygen.execute.newcomers import elsewhere
from raygen.execute.run import Run
from raygen.search.controller import mend_controller


def place_workers(scheduler: TrialScheduler, run: Run) -> TrialScheduler:
    """Have Ray Tune keep off nodes that must not be used, and begin no groups without room.

    What a trial reserves is settled when Tune begins, and which nodes are shunned is not. So each
    reservation is told of them when it is made. The trials of groups reserve next to nothing, so
    as many workers are let be as there is room for groups, however that changes.

    Args:
        scheduler: Is changed and returned.
        run: Knows the nodes.
    """

    def mend(controller: Any) -> None:
        manager = controller._actor_manager._resource_manager
        request, is_ready = manager.request_resources, manager.has_resources_ready

        def requested(resource_request: Any) -> None:
            shunned = run.places.shunned
            if shunned:
                reserve = partial(_reserved, resource_request, shunned)
                resource_request.to_placement_group = reserve
            try:
                request(resource_request=resource_request)
            finally:
                vars(resource_request).pop("to_placement_group", None)

        def has_room(resource_request: Any) -> bool:
            return len(manager._acquired_pgs) < run.room and bool(is_ready(resource_request))

        manager.request_resources = requested
        if run.experiment.resources.grouped:
            manager.has_resources_ready = has_room

    return mend_controller(scheduler, mend)


def _reserved(resource_request: Any, shunned: Iterable[str]) -> PlacementGroup:
    """What a request reserves, but not on those nodes."""
    bundles = resource_request.bundles
    return placement_group(
        bundles,
        strategy=resource_request.strategy,
        bundle_label_selector=[elsewhere(shunned)] * len(bundles),
    )
