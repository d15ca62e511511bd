"""Do all nodes of a cluster see the folder of a run, and have they the same RayGen?"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

from raygen import __version__
from raygen.errors import EnvironmentProblem, RunError

_PATIENCE_S = 60.0
_LATE_S = 5.0
"""How long a file may take to be seen through a network file system."""


def check_shared(folder: Path) -> None:
    """Have every other node look for a file that is put into a folder.

    A node that is gone meanwhile, or too busy to answer in time, is left to its first trial.

    Raises:
        EnvironmentProblem: A node has another RayGen, or none.
        RunError: One does not see the folder, or may not write it.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context().get_node_id()
    nodes = [node for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
    if not nodes:
        return
    look_there = ray.remote(num_cpus=0)(look)
    mark = folder / f".seen-{secrets.token_hex(8)}"
    mark.touch()
    try:
        asked = {}
        for node in nodes:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            answer = look_there.options(scheduling_strategy=there).remote(str(mark))
            asked[node["NodeManagerAddress"]] = answer
        until = time.monotonic() + _PATIENCE_S
        for address, answer in asked.items():
            try:
                found = ray.get(answer, timeout=max(until - time.monotonic(), 0.1))
            except ray.exceptions.RayTaskError as error:
                raise EnvironmentProblem(
                    f"node {address} runs nothing: {str(error).strip().splitlines()[-1]}",
                    must=f"RayGen {__version__} must be there, as here",
                    remedy="install it there too",
                ) from None
            except ray.exceptions.RayError:
                continue
            _check_found(*found, address=address, folder=folder)
    finally:
        mark.unlink(missing_ok=True)


def look(mark: str) -> tuple[bool, bool, str]:
    """On a node: is the file seen, may its folder be written, and which RayGen is there?"""
    from raygen import __version__  # that of the node

    until = time.monotonic() + _LATE_S
    while not Path(mark).exists() and time.monotonic() < until:
        time.sleep(0.2)
    return Path(mark).exists(), os.access(Path(mark).parent, os.W_OK), __version__


def _check_found(seen: bool, writable: bool, version: str, *, address: str, folder: Path) -> None:
    if version != __version__:
        raise EnvironmentProblem(
            f"node {address} has RayGen {version}",
            must=f"it must be {__version__}, as here",
            remedy="install that there; where ray up did it, type ray up again",
        )
    if not seen or not writable:
        raise RunError(
            f"node {address} {'may not write it' if seen else 'does not see it'}",
            where=str(folder),
            must="all nodes must share the folder of a run",
            remedy="give --run-dir below a folder that all of them mount: /shared/runs/NAME",
        )
