"""What may stand below ``model``: layers and their parameters, or a pretrained model."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

from pydantic import model_validator

from raygen.config.section import Conflict, Layers, Section, Text, Values

MethodName: TypeAlias = Literal[
    "full",
    "head-only",
    "lora",
    "dora",
    "adalora",
    "qlora",
    "ia3",
    "prompt",
    "prefix",
    "p-tuning",
    "adapter",
]


class Model(Section):
    """What is searched: a shipped space, a file, layers, or the tuning of a pretrained model."""

    space: Text | None = None
    """A shipped space (`raygen spaces` lists them) or a YAML file. By default that of the task."""
    layers: Layers | None = None
    """The layers, written here instead of `space`; see [Spaces](#spaces)."""
    pretrained: Text | None = None
    """A pretrained model to fine-tune instead of `space` and `layers`: a folder as transformers
    writes it, or a name of the Hugging Face hub; see [Fine-tuning](#fine-tuning)."""
    method: MethodName | None = None
    """What is trained of a pretrained model: all of it, or a few weights put into it; by default
    lora."""
    lora: Values = {}
    """Settings of the method lora."""
    dora: Values = {}
    """Settings of the method dora."""
    adalora: Values = {}
    """Settings of the method adalora."""
    qlora: Values = {}
    """Settings of the method qlora."""
    ia3: Values = {}
    """Settings of the method ia3."""
    prompt: Values = {}
    """Settings of the method prompt."""
    prefix: Values = {}
    """Settings of the method prefix."""
    p_tuning: Values = {}
    """Settings of the method p-tuning."""
    adapter: Values = {}
    """Settings of the method adapter."""
    training: Values = {}
    """Training settings that are fixed or given as `$parameter`; beside `space` they take the place
    of its settings of the same name."""
    parameters: Values = {}
    """The open parameters and their ranges; beside `space` they take the place of its parameters of
    the same name."""

    @model_validator(mode="after")
    def _has_one_structure(self) -> Model:
        if self.space is not None and self.layers is not None:
            must = "one of them must be given"
            raise Conflict("layers", "space and layers given", must, "remove one")
        if self.layers == ():
            raise Conflict("layers", "[] given", "a model must have at least one layer")
        return self

    @model_validator(mode="after")
    def _has_one_method(self) -> Model:
        given = [key for key in METHOD_KEYS.values() if getattr(self, key)]
        if self.pretrained is None:
            for key in ("method", *given):
                if getattr(self, key):
                    must = "only beside `pretrained` it means something"
                    raise Conflict(key, "given without `pretrained`", must, "name a model")
            return self
        for key in ("space", "layers"):
            if getattr(self, key) is not None:
                must = "one of them must be given"
                raise Conflict(key, f"pretrained and {key} given", must, "remove one")
        chosen = METHOD_KEYS.get(self.method or "lora", "")
        for key in given:
            if key != chosen:
                method = self.method or "lora"
                must = f"only settings of the chosen method, {method}, may be given"
                raise Conflict(key, f"given beside method: {method}", must, "remove it")
        return self

    @property
    def method_settings(self) -> dict[str, Any]:
        """What is given below the key of the chosen method."""
        key = METHOD_KEYS.get(self.method or "lora", "")
        return dict(getattr(self, key)) if key else {}


METHOD_KEYS = {
    name: name.replace("-", "_")
    for name in get_args(MethodName)
    if name not in ("full", "head-only")
}
"""The key below ``model`` that holds the settings of a method, for those that have some."""
