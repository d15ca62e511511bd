"""Which cluster does a file describe, and what has each of its nodes?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from raygen.config.document import read_document
from raygen.config.origin import Origin
from raygen.config.refusal import refusal
from raygen.config.resources_section import Resources
from raygen.config.section import (
    AtLeastOne,
    Conflict,
    Duration,
    Number,
    Section,
    Text,
    format_duration,
    listed_once,
)
from raygen.config.words import Words, listed, show
from raygen.errors import ConfigError, EnvironmentProblem
from raygen.launch.ray_cluster import RayCluster, cluster_at
from raygen.launch.ray_up_file import cluster_of

Lines = Annotated[tuple[Text, ...], Field(strict=False)]
OneLine = Annotated[Text, Field(pattern=r"^[^\r\n]+$"), Words("a text of one line")]
Options = dict[
    str,
    Annotated[
        Text | int | Literal[True],
        Words("a text, a whole number, or true for an option without a value"),
    ],
]
Program = Annotated[
    tuple[OneLine, ...],
    Field(min_length=1),
    BeforeValidator(listed_once),
    Words("the path of an interpreter, or a list of the words that run it"),
]
_OWN_OPTIONS = {
    "nodes": "nodes",
    "cpus-per-task": "cpus_per_node",
    "gpus-per-node": "gpus_per_node",
    "mem": "memory_gb_per_node",
    "time": "time_limit",
    "partition": "partition",
    "account": "account",
    "array": "array",
    "signal": "notice",
}
"""Options of sbatch that have a key of their own, by which RayGen reckons."""


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
    partition: OneLine | None = None
    """Of the cluster, for example gpu; without it, Slurm's default."""
    account: OneLine | None = None
    """Whom Slurm bills."""
    array: bool = False
    """Whether nodes are asked for one by one, as tasks of a job array: the run begins on the first,
    and the others join it as they get free."""
    requeue: bool = True
    """Whether a job that was preempted, or lost a node, is queued again; it then goes on."""
    notice: Duration = 90.0
    """How long before its end, or before it is preempted, a job is told to save and stop."""
    setup: Lines = ()
    """Lines of bash before all else on the first node, such as `module load python`."""
    python: Program = ("python",)
    """What runs RayGen on every node: the path of the interpreter of an environment that has it, or
    words such as `[apptainer, exec, --nv, /shared/raygen.sif, python]`."""
    options: Options = Field(default_factory=dict)
    """Further options of sbatch by their long names, for example `constraint: a100`; `true` for one
    that has no value, as `exclusive: true`."""

    @model_validator(mode="after")
    def _has_time_before_its_notice(self) -> Slurm:
        if self.time_limit is not None and self.time_limit <= self.notice:
            limit, notice = format_duration(self.time_limit), format_duration(self.notice)
            raise Conflict(
                "time_limit",
                f"{limit} given, and a notice of {notice}",
                "a job that is told to stop when it begins never comes to its end",
                f"raise time_limit, or set notice below {limit}",
            )
        return self

    @model_validator(mode="after")
    def _has_options_of_sbatch(self) -> Slurm:
        for name, value in self.options.items():
            key = f"options.{name}"
            if name in _OWN_OPTIONS:
                must = "what has a key of its own is given by that"
                raise Conflict(key, "given", must, f"write slurm.{_OWN_OPTIONS[name]}")
            if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or len(f"{value}".splitlines()) > 1:
                must = "it must be the long name of an option, without --, and a text of one line"
                given = f"{show(name)}: {show(value)} given"
                raise Conflict("options", given, must, "for example `constraint: a100`")
        return self


class KubeRay(Section):
    """A cluster of Kubernetes with the operator of KubeRay."""

    namespace: Text = "default"
    """Where the job and its pods are."""
    image: Annotated[Text, Field(examples=["registry.example.org/raygen:1"])]
    """Of all pods: Ray, RayGen and its framework must be in it, in one version for all."""
    claim: Annotated[Text, Field(examples=["raygen-runs"])]
    """PersistentVolumeClaim that all pods mount at /shared: there lie data and runs."""
    nodes: AtLeastOne = 1
    """Workers that there are at first."""
    most_nodes: AtLeastOne | None = None
    """Workers that Ray's autoscaler may make of them; without it there are no more."""
    cpus_per_node: AtLeastOne = 4
    """CPUs of a worker."""
    gpus_per_node: Annotated[int, Field(ge=0)] = 0
    """GPUs of a worker."""
    memory_gb_per_node: Annotated[Number, Field(gt=0)] = 16.0
    """Memory of a worker."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels of the nodes that workers may be on."""
    keep: Duration = 600.0
    """How long the pods stay after the end."""
    python: Text = "python"
    """What runs RayGen in the image."""

    @model_validator(mode="after")
    def _may_have_those_it_begins_with(self) -> KubeRay:
        if self.most_nodes is not None and self.most_nodes < self.nodes:
            problem = f"{self.most_nodes} given, and {self.nodes} nodes"
            must = "it must be at least nodes"
            raise Conflict("most_nodes", problem, must, f"set most_nodes: {self.nodes}")
        return self


Cluster = Slurm | KubeRay | RayCluster


class ClusterFile(Section):
    """A file of ``cluster/``: it has one section, whose name is the kind of the cluster."""

    slurm: Slurm | None = None
    """For Slurm."""
    kuberay: KubeRay | None = None
    """For Kubernetes."""


def read_cluster(path: str | Path) -> tuple[str, Cluster, Origin]:
    """Read a cluster file, or the address of a Ray cluster: its kind, what it says, and where.

    Raises:
        ConfigError: It is not there, or says something that cannot be.
    """
    if "://" in str(path):
        return "ray", cluster_at(str(path)), Origin("--cluster")
    if not Path(path).exists() or Path(path).is_dir():
        is_address = re.fullmatch(r"[\w.-]+:\d+", str(path))
        raise ConfigError(
            f"{str(path)!r} given, and there is no such file",
            where="--cluster",
            must="it must be a file as those in cluster/, or the address of a Ray cluster",
            remedy=f"type --cluster http://{path}" if is_address else "",
        )
    values, origin = read_document(path)
    if "provider" in values:
        return "ray", cluster_of(values, origin), origin
    if "apiVersion" in values:
        raise ConfigError(
            "a manifest of Kubernetes given",
            where=origin.file,
            must="kubectl takes it; RayGen takes the address of what that makes",
            remedy=f"type kubectl apply -f {path}, and --cluster http://localhost:8265",
        )
    kinds = [kind for kind in ClusterFile.model_fields if kind in values]
    if len(kinds) != 1:
        raise ConfigError(
            f"sections {listed(kinds)} given" if kinds else "no kind of cluster given",
            where=origin.file,
            must=f"there must be one section, {' or '.join(ClusterFile.model_fields)}",
            remedy="see cluster/; a file of ray up has `provider`, a Ray cluster an address",
        )
    try:
        found = getattr(ClusterFile.model_validate(values), kinds[0])
    except ValidationError as error:
        raise refusal(error, origin, ClusterFile) from None
    if found is None:
        raise ConfigError("nothing below it", where=origin.where(kinds[0]), must="see cluster/")
    return kinds[0], found, origin


def check_fits(cluster: Cluster, resources: Resources, *, where: str) -> None:
    """Refuse trials that no node of a job can ever hold.

    Args:
        cluster: The nodes.
        resources: What a trial wants.
        where: The cluster file.

    Raises:
        EnvironmentProblem: They never fit.
    """
    if isinstance(cluster, RayCluster):  # its nodes are asked when the run begins
        return
    nodes = getattr(cluster, "most_nodes", None) or cluster.nodes
    per_node = resources.processes_on(cluster.cpus_per_node, cluster.gpus_per_node)
    workers = resources.workers[0]
    memory, has = resources.memory_gb_per_trial, cluster.memory_gb_per_node
    if memory is not None and has is not None and memory / workers > has:
        each = "a worker of a trial" if resources.grouped else "a trial"
        raise EnvironmentProblem(
            f"{each} may take {memory / workers:g} GB",
            where=where,
            must=f"a job gets {has:g} GB of a node",
            remedy="raise memory_gb_per_node there, or lower resources.memory_gb_per_trial",
        )
    if not per_node or per_node * nodes < workers:
        kind = "worker" if resources.grouped else "trial"
        many = f"{workers} workers, each of " if resources.grouped else ""
        raise EnvironmentProblem(
            f"a trial wants {many}{resources.cpus} CPUs and {resources.gpus:g} GPUs",
            where=where,
            must=f"{nodes} nodes of {cluster.cpus_per_node} CPUs and "
            f"{cluster.gpus_per_node} GPUs have room for {per_node * nodes} such {kind}s",
            remedy="raise nodes, cpus_per_node or gpus_per_node there, or lower `resources`",
        )
