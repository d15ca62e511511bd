"""Was it the worker's own doing that it died, or what befell its node?"""

from __future__ import annotations

from collections import Counter
from typing import Any

from raygen.execute.leaving import NodeLeavingError
from raygen.execute.shared_folder import UNSEEN
from raygen.execute.turn import TurnTakenError

MOST_FORGIVEN = 10
"""Losses that a job is forgiven; one that takes every node down would never end."""
_OF_THE_NODE = (
    "its node has died",
    "Owner's node has crashed",
    UNSEEN,
    "No module named 'raygen'",
)
"""What Ray says, or a worker on a node that has just joined and cannot be used."""


class Losses:
    """Counts what each job has lost through no fault of its own.

    A preempted node, one that died, a connection that was cut, and a turn that was taken are no
    failures of what ran there: ``search.retries`` is for workers that die by themselves, of a
    crash in native code or of too much memory.
    """

    def __init__(self) -> None:
        self._seen: Counter[Any] = Counter()

    def forgives(self, job: Any, error: Exception) -> bool:
        """Whether a death does not count against its job."""
        if isinstance(error, NodeLeavingError):  # there are no more of these than workers there
            return True
        if not _is_of_the_node(error):
            return False
        self._seen[job] += 1
        return self._seen[job] <= MOST_FORGIVEN


def befell(told: str) -> bool:
    """Whether what Ray tells of a death says that it befell the node."""
    return any(each in told for each in _OF_THE_NODE)


def _is_of_the_node(error: Exception) -> bool:
    import ray

    if isinstance(error, TurnTakenError):
        return True
    if not isinstance(error, ray.exceptions.RayActorError):
        return False
    cut = isinstance(error, ray.exceptions.ActorUnavailableError)
    return cut or error.preempted or befell(str(error))
