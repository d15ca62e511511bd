"""How does a run become a job of a Ray cluster, and how does one hear of it?"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from raygen import __version__
from raygen.errors import EnvironmentProblem, RunError
from raygen.launch.brought import bring_run, trial_log
from raygen.launch.bundle import MOST_BYTES, Bundle, bundle_of
from raygen.launch.cluster_file import read_cluster
from raygen.launch.environment import failure_in
from raygen.launch.job_server import NoAnswer, NotUp, job_server, start, up_command
from raygen.launch.job_state import BEGUN, JobState, reason_in
from raygen.launch.order import Order
from raygen.launch.ray_cluster import RayCluster
from raygen.launch.ray_files import files_of
from raygen.launch.ticket import Ticket
from raygen.runs.paths import RunPaths
from raygen.uris import is_uri

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # how long a job that is told to stop may take to keep what is done
    "RAY_JOB_STOP_WAIT_TIME_S": "120",
}
_BEGINS_S = 90.0
_PAUSE_S = 1.0
_AGAIN_S = 5.0
_MOST_FAILURES = 3
"""Times that a head may be reached and have no job server before it is believed to be down."""


def job_prefix(order: Order) -> str:
    """What the jobs of a run are called, but for their number; of the run's name and folder."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", order.name).strip("-")[:40]
    return f"raygen-{plain}-{hashlib.sha256(str(order.run).encode()).hexdigest()[:6]}-"


def entrypoint(cluster: RayCluster, order: Order) -> list[str]:
    """The words that the head runs, in a folder with what was shipped."""
    run = str(order.run)
    python, _, _, *words = order.command(["python"], order.config.name, run, f"{run}/model.py")
    nodes = [str(cluster.nodes), str(cluster.most)]
    return [python, "job_start.py", __version__, *nodes, run, order.config.name, *words]


def description(cluster: RayCluster, order: Order) -> str:
    """All that would be done, in words and commands."""
    lines = []
    if cluster.ssh is not None:
        variables, words = up_command(cluster)
        told = [*(f"{name}={value}" for name, value in variables.items()), "ray", *words]
        ssh = replace(cluster.ssh, host=cluster.ssh.host or "HEAD")  # the cloud will say it
        tunnel = ssh.words("-L", f"127.0.0.1:PORT:127.0.0.1:{cluster.port}")
        lines += ["# if no job server answers on the head:", shlex.join(told)]
        lines += ["# its job server, through:", shlex.join([*tunnel, "cat"])]
    else:
        lines += [f"# its job server: {cluster.address}"]
    bundle = _shipped(order)
    if bundle.size >= MOST_BYTES:
        bundle.packed()  # or says already that it is too large
    lines += [f"# shipped from {order.config.parent}: {bundle.told()}"]
    if settings := order.packages.settings:
        lines += [f"# installed on each node by Ray: {order.packages.told}", json.dumps(settings)]
    lines += [f"# the run, on the cluster: {order.run}", f"# the job {job_prefix(order)}N:"]
    lines += [shlex.join(entrypoint(cluster, order))]
    return "\n".join(lines) + "\n"


def submit(cluster: RayCluster, order: Order, text: str, paths: RunPaths) -> str:
    """Start the cluster if it is not up, ship the folder, and hand the job over.

    Raises:
        RunError: The run is on the cluster already, or more than the job server takes.
        EnvironmentProblem: The cluster is not reached, or does not start.
    """
    packed = _shipped(order).packed()
    try:
        return _submit(cluster, order, packed)
    except NotUp:
        if cluster.ssh is None:
            raise
    print(f"starting it by ray up; what that says goes to {paths.up_log}", file=sys.stderr)
    start(cluster, paths.up_log)
    return _submit(cluster, order, packed)


def settle(ticket: Ticket) -> str:
    """Wait until a job has begun, or has said why it cannot.

    Returns:
        What it waits for, if that is longer than anybody should; else nothing.

    Raises:
        EnvironmentProblem: It cannot.
    """
    try:
        return _settled(ticket)
    except NoAnswer as error:  # it has the job
        return error.problem


def _settled(ticket: Ticket) -> str:
    until = time.monotonic() + _BEGINS_S
    with job_server(_cluster(ticket)) as client:
        while time.monotonic() < until:
            status = client.get_job_status(ticket.job)
            log = client.get_job_logs(ticket.job)
            if BEGUN in log:
                return ""
            if status.is_terminal():
                message = client.get_job_info(ticket.job).message or ""
                raise EnvironmentProblem(
                    _reason(log, message) or "no reason given", where=f"job {ticket.job}"
                )
            time.sleep(_PAUSE_S / 2)
        return _state(client, ticket.job, with_said=True).said or "the job has not begun"


def fetch(ticket: Ticket, paths: RunPaths) -> list[Path]:
    """Bring what a run has come to; gives what was written."""
    return bring_run(files_of(_cluster(ticket), ticket.run), ticket, paths)


def state_of(ticket: Ticket) -> JobState:
    """What the job server says of a job, and the last that the job has said."""
    cluster = _cluster(ticket)
    try:
        with job_server(cluster) as client:
            return _state(client, ticket.job, with_said=True)
    except NotUp:
        if cluster.ssh is None:  # it may be there, and only the way to it broken
            raise
        return JobState("gone", why="the cluster is down", is_over=True)


def stop(ticket: Ticket) -> None:
    """Tell a job to keep what is done and end."""
    with job_server(_cluster(ticket)) as client:
        client.stop_job(ticket.job)


def logs(ticket: Ticket, paths: RunPaths, trial: str | None, follow: bool) -> Iterator[str]:
    """What a job, or a trial, has said, and what it goes on to say.

    When the connection breaks, as it does when a laptop sleeps, it is made anew.

    Raises:
        RunError: There is no such trial.
    """
    place, failures = 0, 0
    began = False
    while True:
        try:
            cluster = _cluster(ticket)
            with job_server(cluster) as client:
                while True:
                    over = not follow or _state(client, ticket.job).is_over
                    if trial is None:
                        text = client.get_job_logs(ticket.job)[place:]
                    else:
                        text = trial_log(files_of(cluster, ticket.run), trial)[place:]
                    yield text
                    place, failures, began = place + len(text), 0, True
                    if over:
                        return
                    time.sleep(_PAUSE_S)
        except EnvironmentProblem as error:
            failures += 1
            if not began or (isinstance(error, NotUp) and failures > _MOST_FAILURES):
                raise
            if failures == 1:
                print(f"{error.problem}; trying again until it is back", file=sys.stderr)
        time.sleep(_AGAIN_S)


def _shipped(order: Order) -> Bundle:
    """What goes along.

    Raises:
        RunError: A file that the config names does not, or it is more than a job server takes.
    """
    bundle = bundle_of(order.config.parent)
    wanted = [("the config", order.config.name), *order.files]
    wanted += [("environment", name) for name in order.packages.files]
    for key, name in wanted:
        if not bundle.holds(name):
            raise RunError(
                f"{name} ({key}) does not go along",
                where=str(order.config.parent),
                must="the config's folder is shipped, without what .gitignore and .rayignore name",
                remedy=f"type raygen import {name}, which writes its candidates down"
                if key == "search.start_from"
                else f"put it there, and !{name} at the end of the file that leaves it out; or "
                "on the shared folder, and give its full path",
            )
    return bundle


def _submit(cluster: RayCluster, order: Order, packed: bytes) -> str:
    prefix = job_prefix(order)
    with job_server(cluster) as client, tempfile.TemporaryDirectory() as scratch:
        known = [job for job in client.list_jobs() if (job.submission_id or "").startswith(prefix)]
        for job in known:
            if not job.status.is_terminal():
                raise RunError(
                    f"job {job.submission_id} is at it",
                    where=str(order.run),
                    must="a run must be on the cluster once",
                    remedy="type raygen stop RUN where it was submitted, or --set name=OTHER",
                )
        numbers = [int(job.submission_id.removeprefix(prefix)) for job in known]
        pack = Path(scratch) / "code.zip"
        pack.write_bytes(packed)
        return str(
            client.submit_job(
                entrypoint=shlex.join(entrypoint(cluster, order)),
                submission_id=f"{prefix}{max(numbers, default=0) + 1}",
                runtime_env={
                    "working_dir": str(pack),
                    "env_vars": _SETTINGS,
                    **order.packages.settings,
                },
            )
        )


def _state(client: Any, job: str, *, with_said: bool = False) -> JobState:
    try:
        info = client.get_job_info(job)
    except RuntimeError as error:
        if "does not exist" not in str(error):
            raise
        return JobState("gone", why="the cluster was started anew since", is_over=True)
    word, log = str(info.status).lower(), ""
    if with_said and word != "pending":
        log = client.get_job_logs(job)
    why = _reason(log, info.message or "") if word == "failed" else ""
    said = [line for line in log.splitlines() if line.strip()][-1:] if not why else []
    return JobState(
        "waiting" if word == "pending" else word,
        waits=word == "pending",
        why=(info.message or "") if word == "pending" else why,
        is_over=info.status.is_terminal(),
        said="".join(said),
    )


def _reason(log: str, message: str) -> str:
    """Why a job has failed, by its own log, or by what Ray says where it has none."""
    return failure_in(message) or reason_in(log) or message


def _cluster(ticket: Ticket) -> RayCluster:
    if not is_uri(ticket.cluster) and not Path(ticket.cluster).exists():
        raise RunError(
            "it is not there any more",
            where=ticket.cluster,
            must=f"it says how the cluster of job {ticket.job} is reached",
            remedy="put it back",
        )
    _, cluster, _ = read_cluster(ticket.cluster)
    if not isinstance(cluster, RayCluster):
        raise RunError(
            f"job {ticket.job} was submitted to a Ray cluster by it",
            where=ticket.cluster,
            must="it must still be the file of that",
        )
    return cluster
