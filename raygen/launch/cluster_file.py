"""Which cluster does a file describe, and what has each of its nodes?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from raygen.config.document import read_document
from raygen.config.origin import Origin
from raygen.config.refusal import refusal
from raygen.config.schema import AtLeastOne, Duration, Number, Resources, Section, Text
from raygen.errors import ConfigError, EnvironmentProblem

Lines = Annotated[tuple[Text, ...], Field(strict=False)]
Options = dict[str, Text | int]


class Slurm(Section):
    """A cluster whose nodes Slurm gives out."""

    nodes: AtLeastOne = 1
    """Nodes of a job; on each there are Ray's workers, on the first the search itself too."""
    cpus_per_node: AtLeastOne = 1
    """CPUs that a job gets of each node."""
    gpus_per_node: Annotated[int, Field(ge=0)] = 0
    """GPUs that a job gets of each node."""
    memory_gb_per_node: Annotated[Number, Field(gt=0)] | None = None
    """Memory that a job gets of each node; without it, Slurm's own default."""
    time_limit: Duration | None = None
    """After so long Slurm ends the job; without it, the partition's own limit."""
    partition: Text | None = None
    """Of the cluster, for example gpu; without it, Slurm's default."""
    account: Text | None = None
    """Whom Slurm bills."""
    requeue: bool = True
    """Whether a job that was preempted, or lost a node, is queued again; it then goes on."""
    notice: Duration = 90.0
    """How long before its end, or before it is preempted, a job is told to save and stop."""
    setup: Lines = ()
    """Lines of bash before all else on the first node, such as `module load python`."""
    python: Text = "python"
    """What runs RayGen on every node: the path of the interpreter of an environment that has it."""
    options: Options = Field(default_factory=dict)
    """Further options of sbatch by their long names, for example `constraint: a100`."""


class ClusterFile(Section):
    """A file of ``cluster/``: it has one section, whose name is the kind of the cluster."""

    slurm: Slurm
    """For Slurm."""


def read_cluster(path: str | Path) -> tuple[Slurm, Origin]:
    """Read a cluster file.

    Raises:
        ConfigError: It is not there, or says something that cannot be.
    """
    values, origin = read_document(path)
    if "slurm" not in values:
        raise ConfigError(
            "no section `slurm`",
            where=origin.file,
            must="only clusters of Slurm can be submitted to so far",
            remedy="see cluster/slurm.yaml; on a Ray cluster type RAY_ADDRESS=... raygen generate",
        )
    try:
        return ClusterFile.model_validate(values).slurm, origin
    except ValidationError as error:
        raise refusal(error, origin, ClusterFile) from None


def check_fits(cluster: Slurm, resources: Resources, *, where: str) -> None:
    """Refuse trials that no node of a job can ever hold.

    Args:
        cluster: The nodes.
        resources: What a trial wants.
        where: The cluster file.

    Raises:
        EnvironmentProblem: They never fit.
    """
    per_node = cluster.cpus_per_node // resources.cpus
    if resources.gpus:
        per_node = min(per_node, int(cluster.gpus_per_node / resources.gpus))
    workers = resources.workers[0]
    if not per_node or per_node * cluster.nodes < workers:
        kind = "worker" if resources.grouped else "trial"
        many = f"{workers} workers, each of " if resources.grouped else ""
        raise EnvironmentProblem(
            f"a trial wants {many}{resources.cpus} CPUs and {resources.gpus:g} GPUs",
            where=where,
            must=f"{cluster.nodes} nodes of {cluster.cpus_per_node} CPUs and "
            f"{cluster.gpus_per_node} GPUs have room for {per_node * cluster.nodes} such {kind}s",
            remedy="raise nodes, cpus_per_node or gpus_per_node there, or lower `resources`",
        )
