"""Begins a run on a Ray cluster: are the nodes there, and do all see the run's folder?

``python -m raygen.launch.begin NODES RUN CONFIG generate --config CONFIG ...``, as a job of Ray's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from raygen.config.load import load_experiment
from raygen.config.schema import Resources
from raygen.errors import EnvironmentProblem, RaygenError, RunError
from raygen.execute.room import check_room
from raygen.execute.shared_folder import check_shared
from raygen.runs.paths import RunPaths

BEGUN = "begun:"
"""Opens the line after which nothing about the cluster can be wrong any more."""
_NODES_S = 600.0


def begin(nodes: int, run: Path, config: str, overrides: Sequence[str]) -> str:
    """Put what was shipped into the run's folder, check the config there and the folder everywhere.

    Args:
        nodes: That there must be.
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
    words = ["check", config, *(word for each in overrides for word in ("--set", each))]
    check = subprocess.Popen(  # meanwhile
        [sys.executable, "-m", "raygen", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        alive = _check_nodes(nodes, run, load_experiment(config, overrides).resources)
    finally:
        told = check.communicate()[1].strip().splitlines()
    if check.returncode:
        raise EnvironmentProblem(told[-1].removeprefix("Error: ") if told else "check fails")
    seen = f"all {alive} nodes see" if alive > 1 else "its node sees"
    return f"{BEGUN} {seen} {run}"


def _check_nodes(nodes: int, run: Path, resources: Resources) -> int:
    import ray

    ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
    try:
        alive = _wait_for(ray, nodes)
        check_shared(run)
        check_room(resources)
    finally:
        ray.shutdown()
    return len(alive)


def _wait_for(ray: Any, nodes: int) -> list[dict[str, Any]]:
    until, told = time.monotonic() + _NODES_S, 0.0
    while True:
        alive = [node for node in ray.nodes() if node["Alive"]]
        if len(alive) >= nodes:
            return alive
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


def main() -> None:
    """Begin, and become the run."""
    nodes, run, config, *words = sys.argv[1:]
    overrides = [value for flag, value in pairwise(words) if flag == "--set"]
    try:
        print(begin(int(nodes), Path(run), config, overrides), flush=True)
    except RaygenError as error:
        sys.exit(f"Error: {error}")
    os.execv(sys.executable, [sys.executable, "-m", "raygen", *words])


if __name__ == "__main__":
    main()
