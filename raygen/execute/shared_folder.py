"""Do all nodes of a cluster see the folder of a run, and have they the same RayGen?"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Any

from raygen import __version__
from raygen.errors import EnvironmentProblem, RaygenError, RunError

UNSEEN = "does not see the folder of its run"
"""What a worker says of its node; see ``check_here``."""
_PATIENCE_S = 60.0
_LATE_S = 5.0
"""How long a file may take to be seen through a network file system."""


def check_shared(folder: Path) -> frozenset[str]:
    """Have every other node look for a file that is put into a folder.

    A node that is gone meanwhile, or too busy to answer in time, is left out.

    Returns:
        The numbers of the nodes that see it, this one among them.

    Raises:
        EnvironmentProblem: A node has another RayGen, or none.
        RunError: One does not see the folder, or may not write it.
    """
    import ray

    here = ray.get_runtime_context().get_node_id()
    inquiry, seen = Inquiry(folder), {here}
    try:
        for node in ray.nodes():
            if node["Alive"] and node["NodeID"] != here:
                inquiry.ask(node)
        until = time.monotonic() + _PATIENCE_S
        while inquiry.open and time.monotonic() < until:
            for number, problem in inquiry.answers(timeout_s=1.0):
                if problem is not None:
                    raise problem
                seen.add(number)
    finally:
        inquiry.close()
    return frozenset(seen)


class Inquiry:
    """Nodes that are asked, and those that have answered.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mark = folder / f".seen-{secrets.token_hex(8)}"
        self._asked: dict[Any, tuple[str, str]] = {}
        """By the promise of an answer: number and address of the node."""

    @property
    def open(self) -> frozenset[str]:
        """The numbers of nodes that have not answered."""
        return frozenset(number for number, _ in self._asked.values())

    def ask(self, node: dict[str, Any]) -> None:
        """Have a node look, as soon as it can."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        look_there = ray.remote(num_cpus=0)(look).options(scheduling_strategy=there)
        self._mark.touch()
        self._asked[look_there.remote(str(self._mark))] = node["NodeID"], node["NodeManagerAddress"]

    def answers(self, *, timeout_s: float = 0.0) -> list[tuple[str, RaygenError | None]]:
        """Those that have answered since, and what is wrong with each; not those that are gone."""
        import ray

        if not self._asked:
            return []
        ready, _ = ray.wait(list(self._asked), num_returns=1, timeout=timeout_s)
        found: list[tuple[str, RaygenError | None]] = []
        for answer in ready:
            number, address = self._asked.pop(answer)
            try:
                said = ray.get(answer)
                found.append((number, _problem(*said, address=address, folder=self._folder)))
            except (ray.exceptions.RayTaskError, ray.exceptions.RuntimeEnvSetupError) as error:
                found.append((number, _runs_nothing(error, address)))
            except ray.exceptions.RayError:
                continue
        if not self._asked:
            self.close()
        return found

    def close(self) -> None:
        """Leave nothing in the folder."""
        self._mark.unlink(missing_ok=True)


def look(mark: str) -> tuple[bool, bool, str]:
    """On a node: is the file seen, may its folder be written, and which RayGen is there?"""
    from raygen import __version__  # that of the node

    return _is_seen(Path(mark)), os.access(Path(mark).parent, os.W_OK), __version__


def check_here(folder: str) -> None:
    """Refuse to work on a node that does not see a run's folder, before it is given a trial.

    A node that has just joined may be given a worker before it has answered.

    Raises:
        RunError: It does not.
    """
    if folder and not (_is_seen(Path(folder)) and os.access(folder, os.W_OK)):
        raise RunError(f"this node {UNSEEN}", where=folder)


def _is_seen(path: Path) -> bool:
    until = time.monotonic() + _LATE_S
    while not (seen := path.exists()) and time.monotonic() < until:
        time.sleep(0.2)
    return seen


def _problem(
    seen: bool, writable: bool, version: str, *, address: str, folder: Path
) -> RaygenError | None:
    if version != __version__:
        return EnvironmentProblem(
            f"node {address} has RayGen {version}",
            must=f"it must be {__version__}, as here",
            remedy="install that there; where ray up did it, type ray up again",
        )
    if not seen or not writable:
        return RunError(
            f"node {address} {'may not write it' if seen else 'does not see it'}",
            where=str(folder),
            must="all nodes must share the folder of a run",
            remedy="give --run-dir below a folder that all of them mount: /shared/runs/NAME",
        )
    return None


def _runs_nothing(error: Exception, address: str) -> RaygenError:
    return EnvironmentProblem(
        f"node {address} runs nothing: {str(error).strip().splitlines()[-1].strip()}",
        must=f"RayGen {__version__} must be there, as here, and what `environment` names",
        remedy="install it there too",
    )
