"""Why does nothing run?"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence

from raygen.config.resources_section import Resources
from raygen.execute.room import Places

_PATIENCE_S = 15.0


class Waiting:
    """Says once for each wait why no trial has begun, when it has lasted a while.

    Args:
        resources: What a trial wants.
        say: Takes the line.
        shunned: Tells which nodes are not used.
    """

    def __init__(
        self,
        resources: Resources,
        say: Callable[[str], None],
        shunned: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._resources, self._say, self._shunned = resources, say, shunned
        self._since: float | None = None
        self._told = False

    def note(self, *, waits: bool) -> None:
        """Take notice that trials wait and none runs, or that this is not so."""
        if not waits:
            self._since, self._told = None, False
            return
        now = time.monotonic()
        self._since = self._since or now
        if not self._told and now - self._since > _PATIENCE_S:
            self._told = True
            self._say(waiting_text(self._resources, *_nodes(self._shunned())))


def waiting_text(
    resources: Resources,
    total: Sequence[Mapping[str, float]],
    free: Sequence[Mapping[str, float]],
) -> str:
    """What a trial needs, what there is, and what would change that.

    Args:
        resources: What a trial wants.
        total: What each node has.
        free: What nobody uses of it.
    """
    if resources.grouped:
        return _group_text(resources, Places(tuple(total)), Places(tuple(free)))
    wanted = {"CPU": float(resources.cpus), "GPU": float(resources.gpus)}
    needs = f"waiting: a trial needs {_told(wanted)}"
    if not total:
        return f"{needs}; the cluster has no node left; see `ray status`"
    if not any(_holds(node, wanted) for node in total):
        largest = max(total, key=lambda node: [node.get(name, 0) for name in ("GPU", "CPU")])
        return (
            f"{needs}; no node has that, the largest has {_told(largest)}; "
            "it begins when such a node joins"
        )
    if not any(_holds(node, wanted) for node in free):
        most = max(free, key=lambda node: [node.get(name, 0) for name in ("GPU", "CPU")])
        return (
            f"{needs}; others use the nodes that have it, at most {_told(most)} are free on one; "
            "it begins when they end or a node joins"
        )
    return f"{needs}; a node has that free, and is starting a worker; see `ray status`"


def _group_text(resources: Resources, total: Places, free: Places) -> str:
    """The same of a trial that several processes train, on one node or several."""
    workers, each = resources.workers[0], f"{resources.cpus} CPUs and {resources.gpus:g} GPUs"
    needs = f"waiting: a trial needs {workers} workers, each of {each}"
    there, now = total.count(resources), free.count(resources)
    if there < workers:
        return (
            f"{needs}; the nodes have room for {there} of them; "
            f"it begins when nodes with room for {workers - there} more join"
        )
    if now < workers:
        return (
            f"{needs}; the nodes have room for {there}, and others leave room for {now}; "
            "it begins when they end or a node joins"
        )
    return f"{needs}; there is room for {now}, and they are being started; see `ray status`"


def _holds(node: Mapping[str, float], wanted: Mapping[str, float]) -> bool:
    return all(node.get(name, 0.0) >= least for name, least in wanted.items())


def _told(node: Mapping[str, float]) -> str:
    return f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs"


def _nodes(shunned: Collection[str]) -> tuple[list[Mapping[str, float]], list[Mapping[str, float]]]:
    """What each node has, and what is free of it, but for those that are not used."""
    import ray
    from ray._private.state import available_resources_per_node

    used = [n for n in ray.nodes() if n["Alive"] and n["NodeID"] not in shunned]
    free = available_resources_per_node()
    return [n["Resources"] for n in used], [free.get(n["NodeID"], {}) for n in used]
