"""What may stand below ``resources`` and ``environment``: what each trial gets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from raygen.config.section import Conflict, Number, Section, Text, Workers


class Resources(Section):
    """What each trial gets of the machine."""

    cpus_per_trial: Annotated[int, Field(ge=1)] = 1
    """CPUs, and so threads, of a trial."""
    gpus_per_trial: Annotated[Number, Field(ge=0)] = 0.0
    """GPUs of a trial: a part of one, or a whole number; with 0 a trial sees none."""
    workers_per_trial: Workers = 1
    """Processes that train a trial together, each with its share of every batch; `[1, 4]` takes as
    many of 1 to 4 as there is room for when it starts."""
    cpus_per_worker: Annotated[int, Field(ge=1)] = 1
    """CPUs, and so threads, of each of these processes."""
    gpus_per_worker: Annotated[Number, Field(ge=0)] = 0.0
    """GPUs of each of these processes."""
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    """How they share a pretrained model: each has a copy (ddp) or a part of it (fsdp)."""
    memory_gb_per_trial: Annotated[Number, Field(gt=0)] | None = None
    """Memory in GB above which a trial is stopped; no limit by default."""
    disk_gb: Annotated[Number, Field(gt=0)] | None = None
    """Size in GB of the run's folder above which the run stops, keeping what is done; no limit by
    default. A run also stops before its disk is full."""
    gpu_memory_gb: Annotated[Number, Field(gt=0)] | None = None
    """Memory in GB of the GPU that a fine-tuning is meant for, to check it where there is none."""
    concurrent: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Trials at a time; auto: as many as the machine, or the cluster as it grows, has room for."""
    share: Annotated[Number, Field(gt=0)] = 1.0
    """Weight of this run among those on the same cluster: with 2 it gets twice the room of one
    with 1."""
    keep_checkpoints: Annotated[int, Field(ge=0)] = 0
    """Checkpoints that stay of the training on all rows, those of its newest epochs: the folders
    `kept-EPOCH` of the trial, each of which `python model.py --weights FOLDER` reads."""

    @property
    def workers(self) -> tuple[int, int]:
        """The fewest and the most processes of a trial."""
        given = self.workers_per_trial
        return (given, given) if isinstance(given, int) else given

    @property
    def grouped(self) -> bool:
        """Whether a trial is trained by several processes."""
        return self.workers[1] > 1

    @property
    def cpus(self) -> int:
        """CPUs, and so threads, of each process that trains."""
        return max(self.cpus_per_trial, self.cpus_per_worker)  # one of them is 1

    @property
    def gpus(self) -> float:
        """GPUs of each process that trains."""
        return max(self.gpus_per_trial, self.gpus_per_worker)  # one of them is 0

    def processes_on(self, cpus: float, gpus: float) -> int:
        """How many of the processes that train a node of so many CPUs and GPUs holds at a time.

        A part of a GPU is part of one, so four GPUs hold four processes of 0.75.
        """
        by_cpus = int(cpus // self.cpus)
        if not self.gpus:
            return by_cpus
        if self.gpus >= 1:
            return min(by_cpus, int(gpus // self.gpus))
        whole, rest = divmod(gpus, 1)
        tiny = 1e-9  # ten tenths are one
        by_gpus = int(whole) * int(1 / self.gpus + tiny) + int(rest / self.gpus + tiny)
        return min(by_cpus, by_gpus)

    @model_validator(mode="after")
    def _asks_for_whole_gpus(self) -> Resources:
        for key in ("gpus_per_trial", "gpus_per_worker"):
            given = getattr(self, key)
            if given > 1 and given % 1:
                must = "above 1 it must be a whole number"
                raise Conflict(key, f"{given} given", must)
        return self

    @model_validator(mode="after")
    def _speaks_of_trials_or_of_workers(self) -> Resources:
        fewest, most = self.workers
        if fewest > most:
            must = "the first must not be above the second"
            raise Conflict("workers_per_trial", f"[{fewest}, {most}] given", must)
        for kind, none in (("cpus", 1), ("gpus", 0)):
            key, other = f"{kind}_per_trial", f"{kind}_per_worker"
            if getattr(self, key) != none and (self.grouped or getattr(self, other) != none):
                beside = "workers_per_trial" if self.grouped else other
                remedy = f"write {other} alone"
                raise Conflict(
                    key, f"given beside {beside}", "each worker has its own share", remedy
                )
        if self.strategy != "auto" and not self.grouped:
            must = "it says how several workers share a model"
            remedy = "write workers_per_trial: 2, or remove it"
            raise Conflict("strategy", f"{self.strategy} given for one worker", must, remedy)
        return self


class Environment(Section):
    """Packages that a submitted run needs beside RayGen's; Ray installs them on each node."""

    pip: Text | None = Field(default=None, examples=["requirements.txt"])
    """A file of requirements, installed by pip beside what the cluster's own Python has."""
    uv: Text | None = Field(default=None, examples=["requirements.txt"])
    """The same, installed by uv."""
    conda: Text | None = Field(default=None, examples=["environment.yaml"])
    """A file of which conda makes an environment, RayGen included, or the name of one that all
    nodes have."""

    @model_validator(mode="before")
    @classmethod
    def _is_no_image(cls, given: Any) -> Any:
        """Refuse an image with the places where one works."""
        if isinstance(given, dict) and "image" in given:
            must = "Ray ships no files into an image of a job's own: it is an image of whole nodes"
            remedy = "name it in the cluster file: `docker:` of ray up, `image:` of kuberay"
            raise Conflict("image", "given", must, remedy)
        return given

    @model_validator(mode="after")
    def _is_one(self) -> Environment:
        given = [key for key in type(self).model_fields if getattr(self, key)]
        if len(given) > 1:
            raise Conflict(given[1], f"given beside {given[0]}", "there must be one of them")
        return self
