"""Is a node about to be taken away? Its jobs save, and go on elsewhere before it is gone.

Ray knows of it when it was told: by ``ray drain-node``, as ``raygen.launch.spot_notice`` does, or
by a SIGTERM to ``ray start --block``, as Kubernetes and Slurm do.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from raygen.execute.job import Job, Message
from raygen.execute.pins import read_messages

_FRESH_S = 1.5
"""For so long an answer holds."""


class NodeLeavingError(Exception):
    """A job has saved, or has not begun: it is to go on on another node.

    Nothing has failed, and whoever hears of it had better end, for this node is about to go.
    """


class Leaving:
    """Knows which nodes are about to be taken away, from inside a process that Ray has started."""

    def __init__(self) -> None:
        self._asked, self._known = 0.0, frozenset[str]()
        self._own = ""

    def nodes(self) -> frozenset[str]:
        """Their numbers."""
        if time.monotonic() - self._asked > _FRESH_S:
            with suppress(Exception):  # a head that does not answer is nothing to fail by
                self._known = leaving_nodes()
            self._asked = time.monotonic()
        return self._known

    def here(self) -> bool:
        """Whether the node of this process is one of them."""
        if not self._own:
            import ray

            self._own = ray.get_runtime_context().get_node_id()
        return self._own in self.nodes()


def leaving_nodes() -> frozenset[str]:
    """The numbers of nodes that are about to be taken away, as Ray knows now."""
    from ray._private.state import state

    return frozenset(state.get_draining_nodes())


def has_saved(job: Job, message: Message) -> bool:
    """Whether a job's checkpoint has all that it had trained when it said something."""
    try:
        saved = read_messages(Path(job.checkpoint))
    except OSError:  # it is just being replaced
        return False
    return bool(saved) and saved[-1].epoch >= message.epoch
