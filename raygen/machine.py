"""What has this machine, and is there room on it for what a trial wants?"""

from __future__ import annotations

import os
from pathlib import Path

from raygen.config.schema import Experiment
from raygen.errors import ConfigError, EnvironmentProblem


def count_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def count_gpus() -> int:
    """NVIDIA GPUs of this machine, without loading a framework."""
    devices = Path("/proc/driver/nvidia/gpus")
    return len(list(devices.iterdir())) if devices.is_dir() else 0


def check_resources(experiment: Experiment, *, here: bool) -> None:
    """Refuse on this machine what it cannot hold; a cluster is asked when it is connected to.

    Raises:
        ConfigError: What is trained cannot be trained so.
        EnvironmentProblem: A trial needs more than there is.
    """
    _check_group(experiment)
    if not here or os.environ.get("RAY_ADDRESS"):
        return
    resources, where = experiment.resources, experiment.origin.where
    workers, cpus, gpus = resources.workers[0], count_cpus(), count_gpus()
    of_worker = resources.cpus_per_worker > 1 or resources.gpus_per_worker > 0
    part = "worker" if resources.grouped or of_worker else "trial"
    for key, wanted, there in (
        (f"cpus_per_{part}", resources.cpus, cpus),
        (f"gpus_per_{part}", resources.gpus, gpus),
    ):
        if wanted > there:
            raise EnvironmentProblem(
                f"a {part} wants {wanted:g} {key[:3].upper()}s",
                where=where(f"resources.{key}"),
                must=f"this machine has {there}",
                remedy=f"type --set resources.{key}={there}, or name a cluster by RAY_ADDRESS",
            )
    fitting = min(cpus // resources.cpus, int(gpus // resources.gpus) if resources.gpus else cpus)
    if workers > fitting:
        raise EnvironmentProblem(
            f"{workers} workers of {resources.cpus} CPUs and {resources.gpus:g} GPUs wanted",
            where=where("resources.workers_per_trial"),
            must=f"this machine has {cpus} CPUs and {gpus} GPUs",
            remedy=f"type --set resources.workers_per_trial={fitting}, "
            "or name a cluster by RAY_ADDRESS",
        )


def _check_group(experiment: Experiment) -> None:
    """Refuse several workers where the program cannot share its work among them.

    Raises:
        ConfigError: So it is.
    """
    resources, where = experiment.resources, experiment.origin.where
    if not resources.grouped:
        return
    if experiment.task.name == "Custom":
        raise ConfigError(
            "several workers for a Custom task",
            where=where("resources.workers_per_trial"),
            must="your own program must start its own processes",
            remedy="write cpus_per_trial or gpus_per_trial, and torchrun into task.command",
        )
    if experiment.search.scheduler == "resources":
        raise ConfigError(
            "resources given, and trials have several workers",
            where=where("search.scheduler"),
            must="the number of workers of a trial stays what it is",
            remedy="write asha",
        )
    if resources.strategy == "fsdp" and getattr(experiment.model, "pretrained", None) is None:
        raise ConfigError(
            "fsdp given, and no model.pretrained",
            where=where("resources.strategy"),
            must="a network that is built here is small: each worker has a copy of it",
            remedy="write ddp, or remove it",
        )
