"""How do the nodes of a cluster come by rows that each can read for itself?

Rows at a URI go through nobody's memory but that of the node which needs them: the driver sends the
text that reads them, and what must come of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from raygen.errors import EnvironmentProblem

NAMES = ("x", "y", "x_test", "y_test")
_PATIENCE_S = 1.0
"""How often it is asked whether to go on waiting."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Rows that are read where they are needed."""

    text: str
    """Of the loader, as it stands in the programs."""
    function: str
    """In there, what loads them."""
    state: str
    """Of what the driver has loaded."""

    def load(self) -> dict[str, np.ndarray]:
        """Read them on this node.

        Raises:
            OSError: They cannot be read, or are others than those of the driver.
        """
        program: dict[str, Any] = {"__name__": "loader"}
        exec(compile(self.text, "<loader>", "exec"), program)
        arrays = dict(zip(NAMES, program[self.function](), strict=True))
        if state_of(arrays) != self.state:
            raise OSError("the data set has changed since the run was begun")
        return arrays


def state_of(arrays: Mapping[str, np.ndarray]) -> str:
    """Tells rows from others that are as many: by all shapes, and the content of the targets."""
    digest = hashlib.sha256(repr([(n, arrays[n].shape, arrays[n].dtype) for n in NAMES]).encode())
    for name in ("y", "y_test"):
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def read_on_nodes(read: Callable[[], object], is_wanted: Callable[[], bool]) -> None:
    """Have every other node read the rows before anything is trained.

    A node that is gone meanwhile is left to its first trial.

    Args:
        read: What each shall do.
        is_wanted: Whether to go on waiting.

    Raises:
        EnvironmentProblem: A node cannot read them.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    @ray.remote(num_cpus=0)  # type: ignore[untyped-decorator]  # Ray has no types
    def read_there() -> None:
        read()

    here = ray.get_runtime_context().get_node_id()
    asked = {}
    for node in ray.nodes():
        if node["Alive"] and node["NodeID"] != here:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            answer = read_there.options(scheduling_strategy=there).remote()
            asked[answer] = node["NodeManagerAddress"]
    waiting = list(asked)
    while waiting and is_wanted():
        done, waiting = ray.wait(waiting, timeout=_PATIENCE_S)
        for answer in done:
            try:
                ray.get(answer)
            except ray.exceptions.RayTaskError as error:
                raise EnvironmentProblem(
                    f"node {asked[answer]}: {str(error).strip().splitlines()[-1][:300]}",
                    must="each node reads the data set for itself",
                    remedy="give Ray on that node the packages and the credentials for it",
                ) from None
            except ray.exceptions.RayError:
                continue
