"""How do the files of a run on a Ray cluster come here? By ssh, or by a job that prints them."""

from __future__ import annotations

import shlex
import time
import uuid
from typing import IO

from raygen.errors import RunError
from raygen.launch.brought import Pack, tar_words
from raygen.launch.hand_over import handed_over
from raygen.launch.job_server import job_server, with_host
from raygen.launch.job_state import reason_in
from raygen.launch.ray_cluster import RayCluster

_PATIENCE_S = 300.0
_PAUSE_S = 0.5


def files_of(cluster: RayCluster, run: str) -> Pack:
    """What packs the files of a run, by its folder on the cluster."""

    def pack(below: str, into: IO[bytes]) -> None:
        if cluster.ssh is not None:
            words = [*cluster.container, *tar_words(run, below)]
            with_host(cluster).run(words, into, may_change=True)
        else:
            into.write(handed_over(_printed(cluster, run, below)))

    return pack


def _printed(cluster: RayCluster, run: str, below: str) -> str:
    """What a job prints that is started for it."""
    until = time.monotonic() + _PATIENCE_S
    with job_server(cluster) as client:
        job = client.submit_job(
            entrypoint=shlex.join(["python", "-m", "raygen.launch.hand_over", run, below]),
            submission_id=f"raygen-fetch-{uuid.uuid4().hex[:12]}",
        )
        while not (status := client.get_job_status(job)).is_terminal():
            if time.monotonic() > until:
                client.stop_job(job)
                raise RunError(f"the cluster has sent nothing in {_PATIENCE_S:g} s", where=run)
            time.sleep(_PAUSE_S)
        log: str = client.get_job_logs(job)
        client.delete_job(job)
    if status != "SUCCEEDED":
        raise RunError(reason_in(log) or "no reason given", where=f"job {job}")
    return log
