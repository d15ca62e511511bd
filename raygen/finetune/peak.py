"""How much memory does a step of a model take, seen on tensors of shapes without numbers?"""

from __future__ import annotations

import copy
import warnings
import weakref
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Step:
    """What goes through a model at a time, and how."""

    rows: int
    length: int
    """Tokens of a row."""
    bf16: bool
    checkpointing: bool
    accumulates: bool
    """Whether gradients of earlier micro-batches are there already."""
    packed: bool = False
    """Whether frozen weights are kept in few bits, and are no fp32 that autocast copies."""


def peak_bytes(model: Any, step: Step) -> int:
    """The most bytes that a forward and a backward pass hold at once, gradients included.

    Every operation is run on fake tensors (``torch._subclasses.FakeTensorMode``), which are made
    and freed as real ones are, and the bytes of the storages that live are added up; weights are
    left out. For one block of a transformer this gives what Korthikanti et al. 2022
    (arXiv 2205.05198, section 4.1) count by hand: 34 s b h bytes without the attention's scores.

    Args:
        model: On the meta device, with what is trained marked.
        step: Of one micro-batch.

    Raises:
        ValueError: The model takes inputs that cannot be made up.
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    faked = copy.deepcopy(model)
    with FakeTensorMode(allow_non_fake_inputs=True), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of transformers, about its own names
        _fake_weights(faked, packed=step.packed)
        if step.checkpointing:
            faked.gradient_checkpointing_enable({"use_reentrant": False})
        faked.config.use_cache = False
        faked.train()
        inputs = _inputs(faked, step)
        meter = _meter([*faked.parameters(), *faked.buffers()])
        autocast = torch.autocast("cpu", torch.bfloat16) if step.bf16 else nullcontext()
        for _ in range(2 if step.accumulates else 1):
            with meter, autocast:
                loss = _loss(faked, inputs)
            with meter:
                loss.backward()
    found: int = meter.peak
    return found


def why_not_taken(model: Any, batch: Mapping[str, Any]) -> str:
    """What a model says of a batch that it cannot take; empty if it takes it.

    Args:
        model: On the meta device.
        batch: Real tensors, of which only the shapes are looked at.
    """
    import torch
    from torch._subclasses import fake_tensor as fake

    asks_for_numbers = (
        fake.DataDependentOutputException,
        fake.DynamicOutputShapeException,
        fake.UnsupportedFakeTensorException,
        fake.UnsupportedOperatorException,
    )
    faked = copy.deepcopy(model).train()  # as it is trained
    with fake.FakeTensorMode() as mode:
        _fake_weights(faked, packed=False)
        inputs = {name: mode.from_tensor(value) for name, value in batch.items()}
        if faked.config.is_encoder_decoder:
            inputs["decoder_input_ids"] = torch.ones(len(next(iter(inputs.values()))), 1).long()
        try:
            faked(**inputs)
        except asks_for_numbers:
            return ""  # which says nothing of shapes
        except (ValueError, RuntimeError) as error:
            return " ".join(str(error).split())[:200]
    return ""


def _fake_weights(model: Any, *, packed: bool) -> None:
    """Make the weights of a model fake tensors of a CPU; weights that were one stay one."""
    import torch

    known: dict[int, Any] = {}
    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is not None and id(weight) not in known:
                is_packed = packed and not weight.requires_grad
                dtype = torch.bfloat16 if is_packed else weight.dtype
                empty = torch.empty(weight.shape, dtype=dtype)
                known[id(weight)] = torch.nn.Parameter(empty, weight.requires_grad), weight
            if weight is not None:
                module._parameters[name] = known[id(weight)][0]
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.zeros(buffer.shape, dtype=buffer.dtype)


def _inputs(model: Any, step: Step) -> dict[str, Any]:
    """A batch of the right shapes."""
    import torch

    config, base = model.config, getattr(model, "base_model", model)
    name = getattr(base, "main_input_name", "input_ids")
    tokens = torch.ones(step.rows, step.length, dtype=torch.long)
    decoder = {"decoder_input_ids": tokens} if config.is_encoder_decoder else {}
    match name:
        case "input_ids":
            return {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), **decoder}
        case "pixel_values":
            size = config.image_size
            sides = (size, size) if isinstance(size, int) else tuple(size)
            return {name: torch.zeros(step.rows, config.num_channels, *sides)}
        case "input_features":
            frames = 2 * config.max_source_positions
            return {name: torch.zeros(step.rows, config.num_mel_bins, frames), **decoder}
    raise ValueError(f"inputs named {name}")


def _loss(model: Any, inputs: dict[str, Any]) -> Any:
    """A sum of cross-entropies, as all tasks have it."""
    import torch

    outputs = model(**inputs)
    logits = outputs.logits if "logits" in outputs else outputs.last_hidden_state
    flat = logits.flatten(0, -2)
    picked = flat[torch.arange(len(flat))].float()  # those that are learnt
    targets = torch.zeros(len(flat), dtype=torch.long)
    return torch.nn.functional.cross_entropy(picked, targets, reduction="sum")


def _meter(weights: list[Any]) -> Any:
    """A mode that adds up the bytes of the storages that live, those of weights apart."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Meter(TorchDispatchMode):  # type: ignore[misc]  # torch has no types
        def __init__(self) -> None:
            super().__init__()
            self.now = self.peak = 0
            self.own = {weight.untyped_storage()._cdata for weight in weights}
            self.living: dict[int, Any] = {}

        def __torch_dispatch__(
            self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            outputs = operation(*args, **(kwargs or {}))
            for each in tree_leaves(outputs):
                if isinstance(each, torch.Tensor):
                    self.note(each.untyped_storage())
            return outputs

        def note(self, storage: Any) -> None:
            key, size = storage._cdata, storage.nbytes()
            if key not in self.own and key not in self.living:
                self.living[key] = weakref.ref(storage, lambda _: self.forget(key, size))
                self.now += size
                self.peak = max(self.peak, self.now)

        def forget(self, key: int, size: int) -> None:
            del self.living[key]
            self.now -= size

    return Meter()
