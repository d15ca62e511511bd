"""What would fit the memory, where a fine-tuning does not?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from raygen.errors import EnvironmentProblem
from raygen.finetune.memory import (
    Estimate,
    Place,
    Setup,
    estimate_memory,
    estimate_of,
    peak_of,
    setup_of,
)
from raygen.finetune.placement import default_lines

if TYPE_CHECKING:
    from raygen.finetune.blueprint import PretrainedBlueprint

_TAKEN_GB = 0.6
"""Of the CUDA context, or of torch and transformers themselves."""
_MOST_WORKERS = 64


def with_room(blueprint: PretrainedBlueprint) -> PretrainedBlueprint:
    """The same with the largest micro-batch that fits, if the usual one does not and one does.

    It changes neither batches nor losses.
    """
    place_, setup = blueprint.place, setup_of(blueprint)
    found = estimate_memory(blueprint)
    if place_ is None or found is None or _fits(found, place_) or blueprint.task.whole_batches:
        return blueprint
    for size, each in _smaller(blueprint, setup, setup.rows):
        if _fits(each, place_):
            training = {**blueprint.space.training, "micro_batch": size}
            return replace(blueprint, space=replace(blueprint.space, training=training))
    return blueprint


def check_memory(blueprint: PretrainedBlueprint) -> None:
    """Refuse what cannot fit.

    Raises:
        EnvironmentProblem: So it is; with the ladder of what would fit.
    """
    place_ = blueprint.place
    setup = setup_of(blueprint)
    found = estimate_memory(blueprint)
    if place_ is None or found is None or _fits(found, place_):
        return
    ladder = [f"{told} ({each.total:.2g} GB)" for told, each in _ladder(blueprint, setup, place_)]
    raise EnvironmentProblem(
        f"training takes {found.told()}",
        where=place_.where or blueprint.space.origin.where("training"),
        must=f"it must fit {place_.memory_gb:g} GB, of which {_TAKEN_GB:g} are taken already",
        remedy=f"this would fit: {'; '.join(ladder)}" if ladder else "take a smaller model",
    )


def _ladder(
    blueprint: PretrainedBlueprint, setup: Setup, place_: Place
) -> Iterator[tuple[str, Estimate]]:
    """What would fit, the cheapest change first; each with as large a micro-batch as can be."""
    steps: list[tuple[str, Setup]] = [("", setup)]
    if not setup.checkpointing:
        steps.append(("training.checkpointing: true", replace(setup, checkpointing=True)))
    lora = replace(setup, checkpointing=True, method="lora", lines=default_lines(blueprint, "lora"))
    if setup.method in ("full", "adapter"):
        steps.append(("method: lora", lora))
    if setup.method != "qlora" and place_.on_gpu:
        lines = default_lines(blueprint, "qlora")
        steps.append(("method: qlora", replace(lora, method="qlora", lines=lines)))
    workers = setup.workers * 2
    while workers <= _MOST_WORKERS:
        told = f"resources.strategy: fsdp and workers_per_trial: {workers}"
        more = replace(setup, strategy="fsdp", workers=workers, checkpointing=True)
        steps.append((told, more))
        workers *= 2
    with_workers = False
    for told, each in steps:
        if each.workers > setup.workers and with_workers:
            return
        if not _fits(estimate_of(blueprint, each, 0), place_):
            continue  # whatever the micro-batch
        for size, found in _smaller(blueprint, each, setup.rows):
            if _fits(found, place_):
                changed = [] if size == setup.micro_batch else [f"training.micro_batch: {size}"]
                if each.checkpointing > setup.checkpointing and "checkpointing" not in told:
                    changed.append("training.checkpointing: true")
                yield " and ".join([part for part in (told, *changed) if part]), found
                with_workers = each.workers > setup.workers
                break


def _smaller(
    blueprint: PretrainedBlueprint, setup: Setup, top: int
) -> Iterator[tuple[int, Estimate]]:
    """Estimates with ever smaller micro-batches, none if even one row at a time is too much.

    Peaks are maxima of what grows with the rows, so a chord from one row to ``top`` is above them.
    """
    ends = [
        peak_of(blueprint, replace(setup, batch_size=2 * n * setup.workers, micro_batch=n))
        for n in (1, top)
    ]
    size = setup.micro_batch
    while size and ends[0] is not None and ends[1] is not None:
        share = (replace(setup, micro_batch=size).rows - 1) / max(1, top - 1)
        yield size, estimate_of(blueprint, setup, ends[0] + share * (ends[1] - ends[0]))
        size //= 2


def _fits(found: Estimate, place_: Place) -> bool:
    return found.total + _TAKEN_GB <= place_.memory_gb
