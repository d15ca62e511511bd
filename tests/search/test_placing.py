"""Does Ray Tune start workers where they may be, and groups as there is room for them?"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune import PlacementGroupFactory

from raygen.config.resources_section import Resources
from raygen.search import placing


class Manager:
    """As Tune's own, of which everything is ready at once."""

    def __init__(self) -> None:
        self._acquired_pgs: set[int] = set()
        self.made: list[Any] = []

    def request_resources(self, resource_request: Any) -> None:
        """Reserve."""
        self.made.append(resource_request.to_placement_group())

    def has_resources_ready(self, resource_request: Any) -> bool:
        """Whether it is reserved."""
        return True


def mended(run: Any) -> Manager:
    """One that has been told of a run."""
    scheduler: Any = SimpleNamespace(on_trial_add=lambda controller, trial: None)
    manager = Manager()
    controller: Any = SimpleNamespace(_actor_manager=SimpleNamespace(_resource_manager=manager))
    placing.place_workers(scheduler, run).on_trial_add(controller, scheduler)
    return manager


def run_of(resources: Resources) -> Any:
    """One with room for a trial, and no node that is shunned."""
    places = SimpleNamespace(shunned=frozenset())
    return SimpleNamespace(places=places, room=1, experiment=SimpleNamespace(resources=resources))


def test_reservations_keep_off_the_nodes_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was made before a node was shunned knows nothing of it."""

    def made(bundles: Any, strategy: str = "", **given: Any) -> tuple[Any, Any]:
        return bundles, given.get("bundle_label_selector")

    monkeypatch.setattr(placing, "placement_group", made)
    monkeypatch.setattr("ray.air.execution.resources.request.placement_group", made)
    run = run_of(Resources())
    manager = mended(run)
    request = PlacementGroupFactory([{"CPU": 1}])

    manager.request_resources(resource_request=request)
    run.places.shunned = frozenset({"b", "a"})
    manager.request_resources(resource_request=request)

    kept_off = [{"ray.io/node-id": "!in(a,b)"}]
    assert manager.made == [([{"CPU": 1.0}], None), ([{"CPU": 1.0}], kept_off)]


def test_as_many_groups_begin_as_there_is_room_for() -> None:
    """At that moment; others reserve what they need themselves."""
    run = run_of(Resources(workers_per_trial=2))
    manager = mended(run)

    told = [manager.has_resources_ready(None)]
    manager._acquired_pgs = {1}
    told.append(manager.has_resources_ready(None))
    run.room = 2
    told.append(manager.has_resources_ready(None))

    assert told == [True, False, True]
    alone = mended(run_of(Resources()))
    alone._acquired_pgs = {1, 2}
    assert alone.has_resources_ready(None)
