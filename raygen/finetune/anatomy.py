"""What does a pretrained model consist of? Built without weights, so nothing is downloaded."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from raygen.errors import EnvironmentProblem


@dataclass(frozen=True)
class Anatomy:
    """The parts of a model with the head of a task."""

    kind: str
    """What transformers calls it, such as bert."""
    auto_class: str
    module: str
    """Where the class of the model lies."""
    layers: tuple[str, ...]
    """Full names of its linear layers, heads apart."""
    head: tuple[str, ...]
    """Full names of the parts that the checkpoint does not have."""
    blocks: str
    """Full name of the list of its equal blocks; empty if there is none."""
    width: int
    """Size of a block's output."""
    max_length: int
    """Tokens it can take; 0 if it does not say."""
    dropouts: tuple[str, ...]
    """The keys of its config that are shares of activations left out."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The last parts of the names of the linear layers within its blocks."""
        inner = [name for name in self.layers if name.startswith(f"{self.blocks}.")]
        return tuple(dict.fromkeys(name.rpartition(".")[2] for name in inner or self.layers))

    @cached_property
    def feedforward(self) -> tuple[str, ...]:
        """What of the targets of IA3 is scaled at its input, as peft has it for this model."""
        from peft.utils import constants  # torch

        known = constants.TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING
        return tuple(known.get(self.kind, ()))

    def automatic(self, mapping: str) -> tuple[str, ...]:
        """The targets that a mapping of peft names for this model, or all linear layers."""
        from peft.utils import constants  # torch

        known = getattr(constants, mapping, {}).get(self.kind) or ()
        found = self.matched(known)
        return tuple(found) if found else self.names

    def matched(self, targets: Iterable[str]) -> list[str]:
        """Those of the targets that name a layer."""
        return [
            target
            for target in targets
            if any(name == target or name.endswith(f".{target}") for name in self.layers)
        ]


def dissect(folder: Path, auto_class: str, **settings: Any) -> Anatomy:
    """Build a model without its weights and look at its parts.

    Args:
        folder: With config.json; the checkpoint's header says what the head is.
        auto_class: Of transformers, such as AutoModelForSequenceClassification.
        settings: Further keys of its config, such as num_labels.

    Raises:
        ValueError: The model has no head of this class.
    """
    model, config = build_empty(folder, auto_class, **settings)
    from torch import nn

    known = checkpoint_names(folder)
    head = _missing(model, known) if known else _beside_base(model)
    kinds = (nn.Linear, _conv1d())
    modules = dict(model.named_modules())
    layers = [
        name
        for name, module in modules.items()
        if isinstance(module, kinds) and not _is_below(name, head)
    ]
    lists = {n: len(m) for n, m in modules.items() if isinstance(m, nn.ModuleList) and len(m)}
    blocks = max(lists, key=lambda name: lists[name], default="")
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    return Anatomy(
        kind=config.model_type,
        auto_class=auto_class,
        module=type(model).__module__,
        layers=tuple(layers),
        head=head,
        blocks=blocks,
        width=int(getattr(text, "hidden_size", 0) or getattr(text, "d_model", 0) or 0),
        max_length=_longest(text),
        dropouts=tuple(
            key
            for key, value in config.to_dict().items()
            if ("dropout" in key or "pdrop" in key) and isinstance(value, float)
        ),
    )


def build_empty(folder: Path, auto_class: str, **settings: Any) -> tuple[Any, Any]:
    """A model on the meta device, which has shapes but no numbers, and its config."""
    try:
        import torch
        import transformers
    except ImportError as error:
        raise EnvironmentProblem(
            f"{error.name} is not installed", remedy="type pip install 'raygen[torch,finetune]'"
        ) from None
    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, **settings)
    with torch.device("meta"):
        return getattr(transformers, auto_class).from_config(config), config


def checkpoint_names(folder: Path) -> frozenset[str]:
    """Names of the weights in a checkpoint; only headers are read, except of old formats."""
    names: set[str] = set()
    for index in folder.glob("*.index.json"):
        names |= json.loads(index.read_text(encoding="utf-8"))["weight_map"].keys()
    for file in [] if names else folder.glob("*.safetensors"):
        with file.open("rb") as opened:
            (size,) = struct.unpack("<Q", opened.read(8))
            names |= json.loads(opened.read(size)).keys() - {"__metadata__"}
    if not names and (folder / "pytorch_model.bin").exists():
        import torch

        stored = torch.load(folder / "pytorch_model.bin", weights_only=True, mmap=True)
        names |= stored.keys()
    return frozenset(names)


def _missing(model: Any, known: frozenset[str]) -> tuple[str, ...]:
    """The largest parts of a model none of whose weights are in its checkpoint."""
    prefix = f"{model.base_model_prefix}."
    stripped = {name.removeprefix(prefix) for name in known}
    missing = {n for n, _ in model.named_parameters() if n.removeprefix(prefix) not in stripped}
    tied = {each for each in getattr(model, "_tied_weights_keys", None) or ()}
    missing -= tied
    found: list[str] = []
    for name, module in model.named_modules():
        own = [f"{name}.{each}" for each, _ in module.named_parameters()]
        if name and own and set(own) <= missing and not _is_below(name, found):
            found.append(name)
    return tuple(found)


def _beside_base(model: Any) -> tuple[str, ...]:
    """The parts of a model that its class for no task has not; the weights are on the hub yet."""
    names = [name for name, part in model.named_children() if any(True for _ in part.parameters())]
    return tuple(name for name in names if name != model.base_model_prefix)


def _is_below(name: str, parts: Iterable[str]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def _conv1d() -> type:
    from transformers.pytorch_utils import Conv1D

    found: type = Conv1D
    return found


def _longest(config: Any) -> int:
    """Positions that a model has; RoBERTa's first is behind its padding."""
    positions = int(getattr(config, "max_position_embeddings", 0) or 0)
    shifted = config.model_type in ("roberta", "xlm-roberta", "camembert")
    return positions - 2 if shifted else positions
