"""How much memory does each process of a fine-tuning take, and how much has it?"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raygen.config.origin import Origin
from raygen.config.resources_section import Resources
from raygen.config.space import Choice
from raygen.finetune.peak import Step, peak_bytes
from raygen.finetune.placement import method_lines, place
from raygen.source.candidate import Candidate

if TYPE_CHECKING:
    from raygen.finetune.blueprint import PretrainedBlueprint

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where each process trains."""

    memory_gb: float
    on_gpu: bool
    workers: int = 1
    """Processes that train together."""
    where: str = ""
    """Where the YAML gives the memory; empty if it is the machine's."""


@dataclass(frozen=True)
class Estimate:
    """Memory of one process, in GB (10^9 bytes)."""

    weights: float
    gradients: float
    optimizer: float
    activations: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations

    def told(self) -> str:
        """What it consists of, for the user."""
        return (
            f"about {self.total:.2g} GB a process (weights {self.weights:.2g}, gradients "
            f"{self.gradients:.2g}, optimizer {self.optimizer:.2g}, activations "
            f"{self.activations:.2g})"
        )


@dataclass(frozen=True, kw_only=True)
class Setup:
    """All of a training that its memory depends on."""

    method: str
    lines: str
    micro_batch: int
    batch_size: int
    length: int
    checkpointing: bool
    bf16: bool
    strategy: str
    workers: int

    @property
    def parts(self) -> int:
        """Micro-batches of a process in one step, as ``accumulate`` makes them."""
        return -(-self._share // self.micro_batch)

    @property
    def rows(self) -> int:
        """Rows of the largest of them."""
        return -(-self._share // self.parts)

    @property
    def _share(self) -> int:
        return -(-self.batch_size // self.workers)


def place_of(resources: Resources, origin: Origin) -> Place | None:
    """Where a trial runs; None on a GPU of a size that nobody knows."""
    workers = resources.workers[0]
    if resources.gpu_memory_gb is not None:
        where = origin.where("resources.gpu_memory_gb")
        return Place(resources.gpu_memory_gb, on_gpu=True, workers=workers, where=where)
    if not resources.gpus:
        given = resources.memory_gb_per_trial
        where = origin.where("resources.memory_gb_per_trial") if given else ""
        memory_gb = given or _machine_memory_gb() / workers
        return Place(memory_gb, on_gpu=False, workers=workers, where=where)
    import torch

    if not torch.cuda.is_available():
        return None
    whole = torch.cuda.get_device_properties(0).total_memory / 1e9
    return Place(whole * min(1, resources.gpus), on_gpu=True, workers=workers)


def estimate_memory(blueprint: PretrainedBlueprint) -> Estimate | None:
    """Memory of a process that trains the largest candidate; None where nobody knows."""
    setup = setup_of(blueprint)
    peak = peak_of(blueprint, setup)
    return None if peak is None else estimate_of(blueprint, setup, peak)


def setup_of(blueprint: PretrainedBlueprint) -> Setup:
    """What the largest candidate of a run is trained with."""
    values = {each.name: _largest(each.domain) for each in blueprint.space.parameters}
    active = blueprint.space.active(values)
    settings = blueprint.space.training_settings(active)
    place_ = blueprint.place
    on_gpu = place_ is not None and place_.on_gpu
    return Setup(
        method=blueprint.method_name,
        lines=method_lines(blueprint, Candidate(active)),
        micro_batch=int(settings["micro_batch"]),
        batch_size=min(int(settings["batch_size"]), blueprint.spec.num_rows),
        length=int(blueprint.spec.constants.get("MAX_LENGTH", 64)),
        checkpointing=bool(settings["checkpointing"]),
        bf16=_is_bf16(str(settings["precision"]), on_gpu=on_gpu),
        strategy=blueprint.strategy,
        workers=1 if place_ is None else place_.workers,
    )


def _is_bf16(precision: str, *, on_gpu: bool) -> bool:
    """Whether activations are bf16; auto is what the program would find on this machine."""
    import torch

    if precision != "auto":
        return precision == "bf16"
    if on_gpu:  # one that is elsewhere is thought to be of this decade
        known = torch.cuda.is_available()
        return not known or bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16", False))


def _machine_memory_gb() -> float:
    """Memory of this machine, or of the container that this runs in."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    told = limit.read_text(encoding="utf-8").strip() if limit.is_file() else "max"
    return min(whole, int(told) if told.isdigit() else whole) / 1e9


def _largest(domain: Any) -> Any:
    """The value of a parameter that takes most."""
    if not isinstance(domain, Choice):
        return domain.high
    numbers = all(isinstance(each, (int, float)) for each in domain.options)
    return max(domain.options) if numbers else domain.options[-1]


def peak_of(blueprint: PretrainedBlueprint, setup: Setup) -> int | None:
    """Bytes of activations and gradients at their most; None where nobody knows."""
    step = Step(
        rows=setup.rows * blueprint.task.sequences,
        length=setup.length,
        bf16=setup.bf16,
        checkpointing=setup.checkpointing,
        accumulates=setup.parts > 1,
        packed=setup.method == "qlora",
    )
    key = (blueprint.spec.folder, blueprint.task.auto_class, setup.method, setup.lines, step)
    if key not in _KNOWN:
        try:
            _KNOWN[key] = peak_bytes(place(blueprint, setup.method, setup.lines), step)
        except (ValueError, RuntimeError, TypeError, AttributeError) as error:
            _log.debug("no estimate of memory: %s", error)
            _KNOWN[key] = None  # of a kind of model that cannot be run without numbers
    return _KNOWN[key]


def estimate_of(blueprint: PretrainedBlueprint, setup: Setup, peak: float) -> Estimate:
    """Memory of a process whose activations and gradients take so many bytes at their most."""
    model = place(blueprint, setup.method, setup.lines)
    trained = sum(w.numel() * 4 for w in model.parameters() if w.requires_grad)
    weights = sum(_bytes(w, setup.method) for w in [*model.parameters(), *model.buffers()])
    parts = setup.workers if setup.strategy == "fsdp" else 1
    gathered = _largest_block(model, blueprint) if parts > 1 else 0
    copies = trained if setup.strategy == "ddp" and setup.workers > 1 else 0  # DDP's buckets
    return Estimate(
        weights=(weights / parts + gathered) / 1e9,
        gradients=(trained / parts + copies) / 1e9,
        optimizer=2 * trained / parts / 1e9,  # AdamW (Loshchilov 2019): two moments
        activations=max(0.0, peak - trained) / 1e9,
    )


def _bytes(weight: Any, method: str) -> float:
    """Bytes of a weight; QLoRA keeps matrices in 4 bits and a scale for each 64 (Dettmers 2023)."""
    packed = method == "qlora" and not weight.requires_grad and weight.dim() > 1
    return float(weight.numel() * (0.516 if packed else weight.element_size()))


def _largest_block(model: Any, blueprint: PretrainedBlueprint) -> int:
    """Bytes of the two blocks that FSDP has whole at a time, one in use and one on its way."""
    name = blueprint.method.inner + blueprint.spec.anatomy.blocks
    try:
        blocks = model.get_submodule(name).children()
    except AttributeError:
        return 0
    sizes = [sum(w.numel() * w.element_size() for w in block.parameters()) for block in blocks]
    return 2 * max(sizes, default=0)


_KNOWN: dict[Any, int | None] = {}
