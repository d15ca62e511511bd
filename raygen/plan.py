"""Everything that can be known and checked of a run before anything is trained."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raygen.config.load import load_experiment
from raygen.config.schema import Experiment
from raygen.config.space import Space
from raygen.config.spaces import space_of
from raygen.data.inspect import inspect
from raygen.data.spec import DataSpec
from raygen.errors import EnvironmentProblem, RunError
from raygen.runs.paths import RunPaths
from raygen.source.candidate import Candidate
from raygen.source.frameworks import FRAMEWORKS
from raygen.source.render import Blueprint
from raygen.tasks.task import TASKS, metric_of

_SAMPLES = 64
"""Candidates whose shapes are followed by ``plan_run``."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run that can begin."""

    experiment: Experiment
    blueprint: Blueprint
    paths: RunPaths

    @property
    def space_sha(self) -> str:
        """Fingerprint of the space: what a run began with must not change under it."""
        space = self.blueprint.space
        text = repr((space.layers, sorted(space.training.items()), space.parameters))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def spec(self) -> DataSpec:
        """The data set."""
        return self.blueprint.spec

    @property
    def space(self) -> Space:
        """The search space."""
        return self.blueprint.space


def plan_run(
    config: str | Path,
    overrides: Sequence[str] = (),
    *,
    output: str | None = None,
    run_dir: str | None = None,
    emits: bool = True,
) -> Plan:
    """Read a config and check all of it that needs no training; nothing is written.

    Args:
        config: Path of the YAML.
        overrides: ``key.path=value`` pairs, as of ``--set``.
        output: Takes the place of the YAML's ``output``.
        run_dir: Takes the place of ``runs/<name>``.
        emits: Whether the run will write the output, which is then checked too.

    Raises:
        RaygenError: Something cannot be; the message says where, what must hold and what to type.
    """
    experiment = load_experiment(config, overrides)
    task = TASKS[experiment.task.name]
    where = experiment.origin.where
    metric = metric_of(experiment.task.name, experiment.task.metric, where=where("task.metric"))
    space = space_of(experiment, default=task.space)
    _check_resources(experiment)
    spec = inspect(
        experiment.task.dataset,
        modality=task.modality,
        regression=task.predicts == "values",
        folds=experiment.rank.folds,
        origin=experiment.origin,
    )
    dataset = experiment.task.dataset
    if "MAX_LENGTH" in spec.constants:
        dataset = dataset.model_copy(update={"max_length": spec.constants["MAX_LENGTH"]})
    completed = experiment.model_copy(
        update={
            "task": experiment.task.model_copy(update={"metric": metric, "dataset": dataset}),
            "model": experiment.model.model_copy(
                update={} if experiment.model.layers is not None else {"space": _name_of(space)}
            ),
            "output": output or experiment.output,
        }
    ).written_in(experiment.origin)
    blueprint = Blueprint(
        name=experiment.name,
        framework=experiment.framework,
        task_name=experiment.task.name,
        task=task,
        metric=metric,
        spec=spec,
        space=space,
        seed=experiment.seed,
        folds=experiment.rank.folds,
        epochs=experiment.search.max_epochs,
        threads=experiment.resources.cpus_per_trial,
    )
    _check_structures(blueprint)
    if emits:
        _check_output(completed, "--output" if output else where("output"))
    paths = RunPaths(Path(run_dir) if run_dir else Path("runs") / experiment.name)
    return Plan(experiment=completed, blueprint=blueprint, paths=paths)


def _name_of(space: Space) -> str:
    """What names the space from here: a shipped name, or the path of its file."""
    return space.origin.file if space.name.endswith((".yaml", ".yml")) else space.name


def _check_structures(blueprint: Blueprint) -> None:
    """Follow the shapes of candidates drawn at random and of the corners of the space.

    Raises:
        SourceError: A candidate cannot be built.
    """
    dice: Any = _Dice(0)
    for _ in range(_SAMPLES):
        blueprint.structure(Candidate(blueprint.space.sample(dice)))
    for end in (0, -1):
        values = {each.name: each.domain.grid(2)[end] for each in blueprint.space.parameters}
        blueprint.structure(Candidate(blueprint.space.active(values)))


class _Dice(random.Random):
    """As much of numpy's Generator as a draw needs; loading numpy takes longer than the check."""

    def integers(self, high: int) -> int:
        """One of 0 ... high - 1."""
        return self.randrange(high)


def _check_resources(experiment: Experiment) -> None:
    """Refuse on this machine what it cannot hold; a cluster is asked when it is connected to.

    Raises:
        EnvironmentProblem: A trial needs more than there is.
    """
    if os.environ.get("RAY_ADDRESS"):
        return
    resources, where = experiment.resources, experiment.origin.where
    cpus, gpus = count_cpus(), count_gpus()
    for key, wanted, there in (
        ("cpus_per_trial", resources.cpus_per_trial, cpus),
        ("gpus_per_trial", resources.gpus_per_trial, gpus),
    ):
        if wanted > there:
            raise EnvironmentProblem(
                f"a trial wants {wanted:g} {key[:3].upper()}s",
                where=where(f"resources.{key}"),
                must=f"this machine has {there}",
                remedy=f"type --set resources.{key}={there}, or name a cluster by RAY_ADDRESS",
            )


def check_framework(experiment: Experiment) -> None:
    """Refuse to run without the framework that the programs are written for.

    Raises:
        EnvironmentProblem: It is not installed on this machine.
    """
    package = FRAMEWORKS[experiment.framework].package
    if importlib.util.find_spec(package) is None:
        raise EnvironmentProblem(
            f"{package} is not installed",
            where=experiment.origin.where("framework"),
            remedy=f"type pip install 'raygen[{experiment.framework}]'",
        )


def count_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def count_gpus() -> int:
    """NVIDIA GPUs of this machine, without loading a framework."""
    devices = Path("/proc/driver/nvidia/gpus")
    return len(list(devices.iterdir())) if devices.is_dir() else 0


def _check_output(experiment: Experiment, where: str) -> None:
    """Refuse an output that could not be written in the end.

    Raises:
        RunError: It is a folder, or its folder is missing or closed to us.
    """
    output, folder = Path(experiment.output), Path(experiment.output).parent
    if output.is_dir():
        raise RunError(f"{output} is a folder", where=where, must="it must be a file to write")
    if not folder.is_dir():
        raise RunError(
            f"there is no folder {folder}", where=where, remedy=f"type mkdir -p {folder}"
        )
    try:
        if output.exists() and not os.access(output, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        tempfile.TemporaryFile(dir=folder).close()  # leaves nothing; asks more than os.access
    except OSError as error:
        raise RunError(
            f"{output} cannot be written: {error.strerror}",
            where=where,
            must="the winner is written there",
            remedy="type --output OTHER.py",
        ) from None
    if output.is_file() and output.stat().st_size and "found by RayGen" not in _first_line(output):
        raise RunError(
            f"{output} is there already, and was not written by RayGen",
            where=where,
            must="a file that somebody else wrote is not overwritten",
            remedy="type --output OTHER.py",
        )


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline()


def same_but_budget(one: Experiment, other: Experiment) -> str:
    """The first key in which two experiments differ, budgets and resources aside; else empty."""
    for key in ("seed", "framework", "task", "model"):
        if getattr(one, key) != getattr(other, key):
            return key
    if one.search.max_epochs != other.search.max_epochs:
        return "search.max_epochs"
    for key in ("algorithm", "scheduler"):
        if getattr(one.search, key) != getattr(other.search, key):
            return f"search.{key}"
    if one.rank.folds != other.rank.folds:
        return "rank.folds"
    if one.resources.cpus_per_trial != other.resources.cpus_per_trial:
        return "resources.cpus_per_trial"
    return ""
