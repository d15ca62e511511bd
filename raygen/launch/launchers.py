"""Which kinds of clusters can a run be submitted to? Each is a row of ``LAUNCHERS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from raygen.launch import kubectl, slurm_queue
from raygen.launch.job_state import JobState
from raygen.launch.kuberay import manifests
from raygen.launch.order import Order
from raygen.launch.slurm import batch_script


@dataclass(frozen=True, kw_only=True)
class Launcher:
    """One row."""

    render: Callable[[Any, Order], str]
    """The text that the cluster takes, of its section in a cluster file and an order."""
    submit: Callable[[str], str]
    """Hands the text over; gives what the cluster calls the job."""
    state_of: Callable[[str], JobState]
    stop: Callable[[str], None]
    logs_elsewhere: Callable[[str], str] = lambda job: ""
    """What to type for what a job prints; nothing where the folder of its run lies here."""


LAUNCHERS: Mapping[str, Launcher] = {
    "slurm": Launcher(
        render=batch_script,
        submit=slurm_queue.submit,
        state_of=slurm_queue.state_of,
        stop=slurm_queue.stop,
    ),
    "kuberay": Launcher(
        render=manifests,
        submit=kubectl.submit,
        state_of=kubectl.state_of,
        stop=kubectl.stop,
        logs_elsewhere=kubectl.logs_command,
    ),
}
"""By the name of its section in a cluster file."""
