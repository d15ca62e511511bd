"""How many trials may run at a time, while nodes and other runs come and go?"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from raygen.config.resources_section import Resources
from raygen.errors import EnvironmentProblem
from raygen.execute.newcomers import Newcomers

_FRESH_S = 2.0
"""For so long an answer holds; asking takes Ray some milliseconds."""
_CLAIMS = "raygen-claims"
"""Namespace of the marks by which runs know of each other."""


@dataclass(frozen=True)
class Places:
    """What the nodes of a cluster have, those included that its autoscaler may add."""

    nodes: tuple[Mapping[str, float], ...]

    def count(self, resources: Resources) -> int:
        """For how many of the processes that train there is a place, each on one node."""
        return sum(
            resources.processes_on(node.get("CPU", 0), node.get("GPU", 0)) for node in self.nodes
        )

    @property
    def largest(self) -> tuple[float, float]:
        """CPUs and GPUs of the largest node."""
        return max(((n.get("CPU", 0), n.get("GPU", 0)) for n in self.nodes), default=(0, 0))


class Room:
    """Knows how many trials fit, and what of that is this run's.

    Runs on one cluster leave each other their share: each puts up a mark with its weight, an actor
    that needs nothing and is gone with its run.

    Args:
        resources: What a trial wants, and the run's weight.
        shared: Whether other runs may be on the cluster, and nodes come and go.
    """

    def __init__(self, resources: Resources, *, shared: bool) -> None:
        self._resources, self.is_shared = resources, shared
        self._asked, self._known = 0.0, 0
        self._claim: Any = None
        if shared:
            self._claim = _put_up(resources.share)
        self._newcomers: Newcomers | None = None
        trials_in(_places(_alive()), resources)  # refuses what never fits

    def watch(self, newcomers: Newcomers) -> None:
        """Count from now on only nodes that can be used."""
        self._newcomers = newcomers

    @property
    def shunned(self) -> frozenset[str]:
        """The numbers of nodes that must not be used."""
        return self._newcomers.shunned if self._newcomers is not None else frozenset()

    def now(self) -> int:
        """Trials that may run at this moment, at least one."""
        if self._known and (not self.is_shared or time.monotonic() - self._asked < _FRESH_S):
            return self._known
        alive = _alive()
        if self._newcomers is not None:
            alive = self._newcomers.usable(alive)
        with suppress(EnvironmentProblem):  # nodes are lost: what is known still waits for them
            room = trials_in(_places(alive), self._resources)
            if self.is_shared:
                room = share_of(room, self._resources.share, _weights())
            wanted = self._resources.concurrent
            self._known = room if wanted == "auto" else min(room, wanted)
        self._asked = time.monotonic()
        return max(self._known, 1)


def trials_in(places: Places, resources: Resources) -> int:
    """How many trials fit into a cluster at a time.

    Processes are all of one size, and those of a trial may be on several nodes, so as many trials
    fit as there are places for processes, divided by the workers of a trial.

    Args:
        places: Of the cluster.
        resources: What a trial wants.

    Raises:
        EnvironmentProblem: Not one does.
    """
    cpus, gpus, workers = resources.cpus, resources.gpus, resources.workers[0]
    found = places.count(resources)
    if found >= workers:
        return found // workers
    if workers > 1:
        raise EnvironmentProblem(
            f"resources: a trial needs {workers} workers of {cpus} CPUs and {gpus:g} GPUs",
            must=f"the cluster has room for {found} such workers",
            remedy="lower resources.workers_per_trial, cpus_per_worker or gpus_per_worker",
        )
    raise EnvironmentProblem(
        f"resources: a trial needs {cpus} CPUs and {gpus:g} GPUs",
        must="the largest node has {:g} CPUs and {:g} GPUs".format(*places.largest),
        remedy="lower resources.cpus_per_trial or resources.gpus_per_trial",
    )


def share_of(room: int, weight: float, weights: Iterable[float]) -> int:
    """A run's part of the room by its weight among those of all runs, its own included."""
    return max(int(room * weight / max(sum(weights), weight)), 1)


class _Claim:
    """Says by its name that a run is on the cluster."""


def _put_up(weight: float) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context().get_node_id()  # else it may be lost with another, or hold it
    actor = ray.remote(_Claim).options(
        name=f"{weight!r} {uuid.uuid4().hex}",
        namespace=_CLAIMS,
        num_cpus=0,
        scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False),
    )
    return actor.remote()


def _weights() -> list[float]:
    import ray

    named = ray.util.list_named_actors(all_namespaces=True)
    return [float(each["name"].split()[0]) for each in named if each["namespace"] == _CLAIMS]


def _alive() -> list[Mapping[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def _places(nodes: Iterable[Mapping[str, Any]]) -> Places:
    """Those of nodes that are there, or, if they are more, of those that may come."""
    from ray._private.state import state

    there = tuple(node["Resources"] for node in nodes)
    config = state.get_cluster_config()
    groups = config.node_group_configs if config is not None else ()
    may_come = [dict(each.resources) for each in groups for _ in range(max(each.max_count, 0))]
    return Places(max(there, tuple(may_come), key=_cpus))


def _cpus(nodes: Iterable[Mapping[str, float]]) -> float:
    return sum(node.get("CPU", 0) for node in nodes)
