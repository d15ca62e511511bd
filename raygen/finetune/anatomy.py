"""What does a pretrained model consist of? Built without weights, so nothing is downloaded."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from raygen.errors import EnvironmentProblem


class ContradictionError(Exception):
    """The weights of a checkpoint have other names or shapes than its config says."""


@dataclass(frozen=True)
class Anatomy:
    """The parts of a model with the head of a task."""

    kind: str
    """What transformers calls it, such as bert."""
    auto_class: str
    module: str
    """Where the class of the model lies."""
    layers: tuple[str, ...]
    """Full names of its linear and convolutional layers, heads apart."""
    fixed: tuple[str, ...]
    """Full names of such layers within heads, and of convolutions within groups of channels, which
    have no low-rank change."""
    head: tuple[str, ...]
    """Full names of the parts that the checkpoint does not have, and of what pools."""
    beside: tuple[str, ...]
    """Full names of the parts with weights of their own beside what all tasks share."""
    blocks: str
    """Full name of the list of its equal blocks; empty if there is none."""
    width: int
    """Size of a block's output."""
    max_length: int
    """Tokens it can take; 0 if it does not say."""
    vocabulary: int
    """Tokens it knows; 0 if it reads none, or does not say."""
    takes: str
    """The name of its main input: input_ids, pixel_values, input_features, ..."""
    dropouts: tuple[str, ...]
    """The keys of its config that are shares of activations left out."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The last parts of the names of the linear layers within its blocks."""
        inner = [name for name in self.layers if name.startswith(f"{self.blocks}.")]
        shared = {name.rpartition(".")[2] for name in self.fixed}
        parts = [name.split(".") for name in inner or self.layers]
        return tuple(dict.fromkeys(".".join(p[-2:] if p[-1] in shared else p[-1:]) for p in parts))

    @cached_property
    def feedforward(self) -> tuple[str, ...]:
        """What of the targets of IA3 is scaled at its input, as peft has it for this model."""
        from peft.utils import constants  # torch

        known = constants.TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING
        return tuple(known.get(self.kind, ()))

    def automatic(self, mapping: str) -> tuple[str, ...]:
        """The targets that a mapping of peft names for this model; else all linear layers."""
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
        ContradictionError: The weights are those of another config.
    """
    model, config = build_empty(folder, auto_class, **settings)
    from torch import nn

    shapes = checkpoint_shapes(folder)
    _check_shapes(shapes, model)
    _check_names(shapes, model)
    known = _fitting(shapes, model)
    head = _missing(model, known) if known else _beside_base(model)
    modules = dict(model.named_modules())
    head = (*_poolers(modules, head), *head) if head else ()
    kinds: tuple[type, ...] = (nn.Linear, _conv1d())
    if not getattr(config, "tf_padding", False):  # which asks a layer for its stride
        kinds = (*kinds, nn.Conv2d)
    lists = {n: len(m) for n, m in modules.items() if isinstance(m, nn.ModuleList) and len(m)}
    blocks = max(lists, key=lambda name: lists[name], default="")
    known_kinds = {name: module for name, module in modules.items() if isinstance(module, kinds)}
    fixed = [
        name
        for name, module in known_kinds.items()
        if getattr(module, "groups", 1) > 1 or _is_below(name, head)
    ]
    layers = [name for name in known_kinds if name not in fixed]
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    return Anatomy(
        kind=config.model_type,
        auto_class=auto_class,
        module=type(model).__module__,
        layers=tuple(layers),
        fixed=tuple(fixed),
        head=head,
        beside=_of_its_own(model),
        blocks=blocks,
        width=int(getattr(text, "hidden_size", 0) or getattr(text, "d_model", 0) or 0),
        max_length=_longest(text),
        vocabulary=int(getattr(text, "vocab_size", 0) or 0),
        takes=_main_input(config),
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
    transformers.utils.logging.set_verbosity_error()  # what matters is said by our own errors
    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, **settings)
    with torch.device("meta"):
        return getattr(transformers, auto_class).from_config(config), config


def checkpoint_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights in a checkpoint; only headers are read, except of old formats."""
    shapes: dict[str, tuple[int, ...]] = {}
    for file in folder.glob("*.safetensors"):
        with file.open("rb") as opened:
            (size,) = struct.unpack("<Q", opened.read(8))
            header = json.loads(opened.read(size))
        header.pop("__metadata__", None)
        shapes |= {name: tuple(each["shape"]) for name, each in header.items()}
    if not shapes and (folder / "pytorch_model.bin").exists():
        import torch

        stored = torch.load(folder / "pytorch_model.bin", weights_only=True, mmap=True)
        shapes |= {name: tuple(each.shape) for name, each in stored.items()}
    return shapes


def _poolers(modules: Mapping[str, Any], head: Sequence[str]) -> tuple[str, ...]:
    """The layers that make one vector of many: encoders for sentences have them untrained."""
    return tuple(
        name
        for name, module in modules.items()
        if "pooler" in name.split(".")[:-1]
        and any(True for _ in module.parameters(recurse=False))
        and not _is_below(name, head)
    )


def _check_shapes(shapes: Mapping[str, tuple[int, ...]], model: Any) -> None:
    """Refuse a checkpoint whose weights, heads apart, have other shapes than the model's."""
    prefix = f"{model.base_model_prefix}."
    for name, weight in model.named_parameters():
        if name.startswith(prefix):
            own = tuple(weight.shape)
            stored = shapes.get(name, shapes.get(name.removeprefix(prefix), own))
            if stored != own:
                raise ContradictionError(f"{name} is {stored} among the weights, {own} by config")


def _check_names(shapes: Mapping[str, tuple[int, ...]], model: Any) -> None:
    """Refuse a checkpoint of another kind of model, hardly a weight of which would be taken."""
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

    mapping = get_model_conversion_mapping(model)
    renamings = [each for each in mapping if isinstance(each, WeightRenaming)]
    converters = [each for each in mapping if isinstance(each, WeightConverter)]
    own = dict(model.named_parameters())
    prefix = model.base_model_prefix
    known = {rename_source_key(n, renamings, converters, prefix, own)[0] for n in shapes}
    found = len(known & own.keys())
    if shapes and 10 * found < len(own):
        kind, first = model.config.model_type, min(shapes)
        raise ContradictionError(
            f"{found} of the {len(own)} weights of a {kind} model are among its weights, the first "
            f"of which is {first}"
        )


def _fitting(shapes: Mapping[str, tuple[int, ...]], model: Any) -> frozenset[str]:
    """Those weights of a checkpoint that a model can take: another head has another shape."""
    prefix = f"{model.base_model_prefix}."
    own = {n.removeprefix(prefix): tuple(w.shape) for n, w in model.named_parameters()}
    return frozenset(
        name for name, shape in shapes.items() if own.get(name.removeprefix(prefix), shape) == shape
    )


def _missing(model: Any, known: frozenset[str]) -> tuple[str, ...]:
    """The largest parts of a model none of whose weights are in its checkpoint."""
    prefix = f"{model.base_model_prefix}."
    stripped = {name.removeprefix(prefix) for name in known}
    missing = {n for n, _ in model.named_parameters() if n.removeprefix(prefix) not in stripped}
    tied = {each for each in getattr(model, "_tied_weights_keys", None) or ()}
    missing -= tied
    if 2 * len(missing) > sum(1 for _ in model.parameters()):
        return _beside_base(model)  # the checkpoint has names that transformers translates
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


def _of_its_own(model: Any) -> tuple[str, ...]:
    """Those of these parts that share no weights with the base, as tied embeddings do."""
    base = getattr(model, model.base_model_prefix, None)
    if base is None:
        return ()
    shared = {id(weight) for weight in base.parameters()}
    return tuple(
        name
        for name in _beside_base(model)
        if shared.isdisjoint(id(weight) for weight in model.get_submodule(name).parameters())
    )


def _main_input(config: Any) -> str:
    """What a model without a head for any task takes; empty if transformers has none."""
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    found = MODEL_MAPPING.get(type(config), None)
    first = found[0] if isinstance(found, tuple) else found
    return str(getattr(first, "main_input_name", ""))


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
