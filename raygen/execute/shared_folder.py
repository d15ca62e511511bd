"""Do all nodes of a cluster see the folder of a run?"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from raygen.errors import EnvironmentProblem

_PATIENCE_S = 30.0


def check_shared(folder: Path) -> None:
    """Have every other node look for a file that is put into a folder.

    A node that is too busy to answer in time is left to its first trial.

    Raises:
        EnvironmentProblem: One does not see it.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context().get_node_id()
    nodes = [node for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
    if not nodes:
        return
    look = ray.remote(num_cpus=0)(_sees)
    probe = folder / f".probe-{secrets.token_hex(8)}"
    probe.touch()
    try:
        answers = {}
        for node in nodes:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            answers[look.options(scheduling_strategy=there).remote(str(probe))] = node
        ready, _ = ray.wait(list(answers), num_returns=len(answers), timeout=_PATIENCE_S)
        blind = [
            answers[answer]["NodeManagerAddress"] for answer in ready if _is_blind(ray, answer)
        ]
    finally:
        probe.unlink(missing_ok=True)
    if blind:
        raise EnvironmentProblem(
            f"node {blind[0]} does not see it",
            where=str(folder),
            must="all nodes must see the folder of a run",
            remedy="put it on a shared file system: type --run-dir /shared/runs/NAME",
        )


def _is_blind(ray: Any, answer: Any) -> bool:
    try:
        return not ray.get(answer)
    except ray.exceptions.RayError:  # it is gone meanwhile
        return False


def _sees(path: str) -> bool:
    return Path(path).exists()
