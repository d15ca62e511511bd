"""Begins a run on a Ray cluster: are the nodes there, and do all see the run's folder?

``python -m raygen.begin NODES MOST RUN CONFIG generate --config CONFIG ...``, as a job.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from raygen.cli import main as raygen
from raygen.config.resources_section import Resources
from raygen.errors import EnvironmentProblem, RaygenError, RunError
from raygen.execute.room import Places, trials_in
from raygen.execute.session import connect
from raygen.execute.shared_folder import check_shared
from raygen.launch.copy_target import check_copy_shared
from raygen.launch.job_state import BEGUN
from raygen.plan import plan_run
from raygen.runs.paths import RunPaths

_NODES_S = 600.0
_MORE_S = 60.0
"""How long a further node is waited for once there is room for a trial."""


def begin(nodes: int, most: int, run: Path, config: str, overrides: Sequence[str]) -> str:
    """Put what was shipped into the run's folder, check the config there and the folder everywhere.

    Args:
        nodes: That there must be.
        most: Nodes that there may be, by Ray's autoscaler.
        run: Folder of the run.
        config: Path of the YAML, below what was shipped.
        overrides: ``key.path=value`` each.

    Returns:
        What was found, for the log.

    Raises:
        RaygenError: Something is not as it must be.
    """
    code = RunPaths(run).job_code
    try:
        shutil.copytree(".", code, dirs_exist_ok=True)
    except OSError as error:
        raise RunError(
            f"cannot be written on the cluster: {error.strerror or error}",
            where=str(run),
            remedy="give --run-dir below a folder that all its nodes share",
        ) from None
    os.chdir(code)
    plan = plan_run(config, overrides, emits=False)
    alive = _check_nodes(nodes, most, run, plan.experiment.resources)
    check_copy_shared(plan.experiment.storage)
    seen = f"all {alive} nodes see" if alive > 1 else "its node sees"
    return f"{BEGUN} {seen} {run}"


def _check_nodes(nodes: int, most: int, run: Path, resources: Resources) -> int:
    ray = connect()  # and it stays so for the run
    _wait_for(ray, nodes)
    alive = _with_room(ray, most, resources)
    check_shared(run)
    return len(alive)


def _wait_for(ray: Any, nodes: int) -> None:
    until, told = time.monotonic() + _NODES_S, 0.0
    while True:
        alive = _alive(ray)
        if len(alive) >= nodes:
            return
        if time.monotonic() > until:
            raise EnvironmentProblem(
                f"{len(alive)} of {nodes} nodes are there after {_NODES_S:g} s",
                must="a node must have the Ray and the Python of the head, and its token",
                remedy="look with ray monitor FILE, or lower min_workers there",
            )
        if time.monotonic() - told > 30:
            told = time.monotonic()
            print(f"waiting for nodes: {len(alive)} of {nodes} are there", flush=True)
        time.sleep(0.5)


def _with_room(ray: Any, most: int, resources: Resources) -> list[dict[str, Any]]:
    """The nodes, one of which at least has room; Ray's autoscaler is asked for more if none has.

    Raises:
        EnvironmentProblem: A trial fits nowhere.
    """
    from ray.autoscaler.sdk import request_resources

    alive, began = _alive(ray), time.monotonic()
    if len(alive) >= most or _fits(alive, resources):
        _check_room(alive, resources)
        return alive
    bundle = {"CPU": resources.cpus, **({"GPU": resources.gpus} if resources.gpus else {})}
    print(f"no node has room for a trial; asking for more than {len(alive)} of {most}", flush=True)
    request_resources(bundles=[bundle] * max(resources.workers[0], most - len(alive)))
    came = began
    while len(alive) < most:
        now, before = time.monotonic(), len(alive)
        if now - began > _NODES_S or (_fits(alive, resources) and now - came > _MORE_S):
            break
        time.sleep(1)
        alive = _alive(ray)
        came = time.monotonic() if len(alive) > before else came
    request_resources(bundles=[])  # those that are there stay while they are used
    _check_room(alive, resources)
    return alive


def _fits(alive: list[dict[str, Any]], resources: Resources) -> bool:
    with suppress(EnvironmentProblem):
        _check_room(alive, resources)
        return True
    return False


def _check_room(alive: list[dict[str, Any]], resources: Resources) -> None:
    trials_in(Places(tuple(node["Resources"] for node in alive)), resources)


def _alive(ray: Any) -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def main() -> None:
    """Begin, and become the run."""
    nodes, most, run, config, *words = sys.argv[1:]
    overrides = [value for flag, value in pairwise(words) if flag == "--set"]
    try:
        print(begin(int(nodes), int(most), Path(run), config, overrides), flush=True)
    except RaygenError as error:
        sys.exit(f"Error: {error}")
    sys.argv = ["raygen", *words]
    raygen()


if __name__ == "__main__":
    main()
