"""How do the files of a run on a Ray cluster come here? By ssh, or by a job that prints them."""

from __future__ import annotations

import re
import shlex
import shutil
import tarfile
import tempfile
import time
import uuid
from pathlib import Path
from typing import IO

from raygen.errors import RunError
from raygen.launch.hand_over import SCRATCH, handed_over
from raygen.launch.job_server import job_server, with_host
from raygen.launch.job_state import reason_in
from raygen.launch.ray_cluster import RayCluster
from raygen.launch.ticket import Ticket
from raygen.runs.paths import RunPaths

_PATIENCE_S = 300.0
_PAUSE_S = 0.5


def bring_run(cluster: RayCluster, ticket: Ticket, paths: RunPaths) -> list[Path]:
    """Bring a run's files here, all but checkpoints; the winner to where the config wants it.

    Returns:
        What was written.

    Raises:
        RunError: The folder is not there.
    """
    written = []
    with tempfile.TemporaryDirectory(dir=paths.ticket.parent) as scratch:
        found = Path(scratch) / "run"
        with tempfile.TemporaryFile(dir=scratch) as file:
            _pack(cluster, ticket.run, ".", file)
            _unpack(file, found)
        for path in sorted(each for each in found.rglob("*") if each.is_file()):
            place = paths.folder / path.relative_to(found)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
            written.append(place)
    winner = paths.folder / "model.py"
    if winner in written and ticket.output:
        shutil.copyfile(winner, ticket.output)
        written.append(Path(ticket.output))
    return written


def trial_log(cluster: RayCluster, ticket: Ticket, trial: str) -> str:
    """What a trial has printed.

    Raises:
        RunError: There is no such trial.
    """
    if not re.fullmatch(r"[\w-]+", trial):
        raise RunError(f"{trial!r} given", must="a trial is named by its number, such as 00003")
    below = f"trials/{trial}/log.txt"
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile() as file:
        _pack(cluster, ticket.run, below, file)
        _unpack(file, Path(scratch))
        return (Path(scratch) / below).read_text(encoding="utf-8", errors="replace")


def _pack(cluster: RayCluster, run: str, below: str, into: IO[bytes]) -> None:
    if cluster.ssh is not None:
        left_out = (f"--exclude={each}" for each in SCRATCH)
        words = ["tar", "-C", run, *left_out, "-czf", "-", below]
        with_host(cluster).run(words, into, may_change=True)
    else:
        into.write(handed_over(_printed(cluster, run, below)))
    into.seek(0)


def _unpack(file: IO[bytes], folder: Path) -> None:
    with tarfile.open(fileobj=file, mode="r:gz") as pack:
        pack.extractall(folder, filter="data")  # nothing lands outside the folder


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
