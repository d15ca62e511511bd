"""Which kinds of clusters can a run be submitted to? Each is a row of ``LAUNCHERS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raygen.launch import kubectl, ray_job, slurm_queue
from raygen.launch.environment import Packages
from raygen.launch.job_state import JobState
from raygen.launch.kuberay import SHARED, manifests
from raygen.launch.local_log import Logs, local_logs
from raygen.launch.order import Order
from raygen.launch.slurm import batch_script
from raygen.launch.ticket import Ticket
from raygen.runs.paths import RunPaths


@dataclass(frozen=True, kw_only=True)
class Launcher:
    """One row."""

    render: Callable[[Any, Order], str]
    """What is done, as text, of a cluster and an order; where it can be, what the cluster takes."""
    submit: Callable[[Any, Order, str, RunPaths], str]
    """Hands the order and its text over; gives what the cluster calls the job."""
    state_of: Callable[[Ticket], JobState]
    stop: Callable[[Ticket], None]
    logs: Logs
    settle: Callable[[Ticket], str] = lambda ticket: ""
    """Waits until a job has begun; gives what it waits for, or raises what it says if it cannot."""
    fetch: Callable[[Ticket, RunPaths], list[Path]] | None = None
    """Brings the files of a run here; None where they are here, or cannot be brought."""
    has_own_files: bool = False
    """Whether full paths of data are those of the cluster, and need not be here."""
    packages: Callable[[Any, Packages], str] = lambda cluster, packages: ""
    """Why such packages cannot be installed for a run; empty if they can."""
    runs_below: str | None = None
    """Folder of all runs on the cluster; None where a run has the same folder there as here."""


LAUNCHERS: Mapping[str, Launcher] = {
    "slurm": Launcher(
        render=batch_script,
        submit=lambda cluster, order, text, paths: slurm_queue.submit(text),
        state_of=lambda ticket: slurm_queue.state_of(ticket.job),
        stop=lambda ticket: slurm_queue.stop(ticket.job),
        logs=local_logs(lambda ticket: slurm_queue.state_of(ticket.job)),
        packages=lambda cluster, packages: (
            f"on Slurm the packages are those of slurm.python ({' '.join(cluster.python)}); "
            "install them there, or by a line of slurm.setup"
        ),
    ),
    "kuberay": Launcher(
        render=manifests,
        submit=lambda cluster, order, text, paths: kubectl.submit(text),
        state_of=lambda ticket: kubectl.state_of(ticket.job),
        stop=lambda ticket: kubectl.stop(ticket.job),
        logs=kubectl.logs,
        fetch=kubectl.fetch,
        packages=lambda cluster, packages: (
            f"no files are shipped to Kubernetes, and {packages.files[0]} is one; "
            f"put it into the image ({cluster.image})"
            if packages.files
            else ""
        ),
        has_own_files=True,
        runs_below=f"{SHARED}/runs",
    ),
    "ray": Launcher(
        render=ray_job.description,
        submit=ray_job.submit,
        settle=ray_job.settle,
        state_of=ray_job.state_of,
        stop=ray_job.stop,
        logs=ray_job.logs,
        fetch=ray_job.fetch,
        has_own_files=True,
        runs_below="/shared/runs",
    ),
}
"""By the name of its section in a cluster file; ``ray`` for the files of ``ray up``."""
