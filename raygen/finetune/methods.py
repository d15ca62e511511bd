"""How can a pretrained model be trained: all of it, or which few weights put into it?

A method is a row of ``METHODS``; its lines stand in the ``build_model`` of a program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from raygen.config.training import TrainingSetting
from raygen.finetune.anatomy import Anatomy
from raygen.source.literals import literal

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Terms:
    """What the lines of a method depend on, besides its own settings."""

    task_type: str
    """Of peft, such as SEQ_CLS; empty where peft has none."""
    anatomy: Anatomy
    targets: tuple[str, ...] = ()
    """Names of the layers that the method changes."""
    steps: int = 1
    """Steps of a whole training."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """One row of the table."""

    title: str
    lines: Callable[[Settings, Terms], str]
    """Lines of ``build_model`` behind the pretrained ``model``."""
    learning_rate: float
    """The default of the setting."""
    settings: Mapping[str, TrainingSetting] = field(default_factory=dict)
    """By name; ``target_modules`` apart."""
    targets: str = ""
    """What ``target_modules: auto`` stands for: a mapping of peft, or ``linear`` for all linear
    layers (Dettmers et al. 2023, arXiv 2305.14314, section 4); empty if it has no targets."""
    imports: str = ""
    """What the lines need."""
    merged: str = "model"
    """The trained model as a plain one of transformers; empty if it cannot be one."""
    base: str = ""
    """Further arguments of ``from_pretrained``."""
    step: str = ""
    """Lines behind the optimizer's step."""
    penalty: str = ""
    """What is added to the loss of a micro-batch."""
    saved: str = ""
    """Lines that add to the ``state`` of a checkpoint what is no weight."""
    loaded: str = ""
    """Lines that put it back."""
    fragment: str = ""
    """A module whose functions the lines call."""
    needs_gpu: bool = False
    of_peft: bool = True
    """Whether the model is one of peft's, which saves adapters as adapters."""

    @property
    def inner(self) -> str:
        """Where the pretrained model lies within the one that is trained."""
        if not self.of_peft:
            return ""
        return "base_model.model." if self.targets else "base_model."


def _call(name: str, arguments: Mapping[str, Any]) -> str:
    """A call with literal arguments, one on each line, laid out as a formatter would."""
    flat = ", ".join(f"{key}={literal(value)}" for key, value in arguments.items())
    if len(flat) + len(name) + 15 <= 100:
        return f"config = {name}({flat})"
    lines = [
        f"    {key}={literal(value, indent=8, column=len(key) + 9, tail=1)},"
        for key, value in arguments.items()
    ]
    joined = "\n".join(lines).replace("\n        ", "\n    ")
    return f"config = {name}(\n{joined}\n)"


def _peft(name: str, arguments: Mapping[str, Any], terms: Terms) -> str:
    given = ({"task_type": terms.task_type} if terms.task_type else {}) | dict(arguments)
    return _call(name, given) + "\nmodel = get_peft_model(model, config)"


def _head(terms: Terms) -> dict[str, list[str]]:
    """The parts that are trained whole; peft adds a classifier by itself."""
    known = terms.task_type in ("SEQ_CLS", "TOKEN_CLS") and set(terms.anatomy.head) <= _CLASSIFIERS
    return {} if known or not terms.anatomy.head else {"modules_to_save": list(terms.anatomy.head)}


def _of_lora(settings: Settings, terms: Terms) -> dict[str, Any]:
    dropout = {"lora_dropout": settings["dropout"]} if settings["dropout"] else {}
    targets = {"target_modules": list(terms.targets)}
    return {"lora_alpha": settings["alpha"]} | dropout | targets | _head(terms)


def _lora(settings: Settings, terms: Terms, **more: Any) -> str:
    return _peft("LoraConfig", {"r": settings["rank"]} | _of_lora(settings, terms) | more, terms)


def _dora(settings: Settings, terms: Terms) -> str:
    return _lora(settings, terms, use_dora=True)


def _qlora(settings: Settings, terms: Terms) -> str:
    return "model = prepare_model_for_kbit_training(model)\n" + _lora(settings, terms)


def _adalora(settings: Settings, terms: Terms) -> str:
    arguments = {
        "target_r": settings["rank"],
        "init_r": settings["start_rank"],
        "tinit": terms.steps // 10,
        "tfinal": terms.steps // 3,
        "deltaT": max(1, terms.steps // 50),
        "total_step": terms.steps,
    }
    return _peft("AdaLoraConfig", arguments | _of_lora(settings, terms), terms)


def _ia3(settings: Settings, terms: Terms) -> str:
    arguments = {
        "target_modules": list(terms.targets),
        "feedforward_modules": [n for n in terms.targets if n in terms.anatomy.feedforward],
    }
    return _peft("IA3Config", arguments | _head(terms), terms)


def _prompt(settings: Settings, terms: Terms) -> str:
    return _peft("PromptTuningConfig", {"num_virtual_tokens": settings["tokens"]}, terms)


def _prefix(settings: Settings, terms: Terms) -> str:
    return _peft("PrefixTuningConfig", {"num_virtual_tokens": settings["tokens"]}, terms)


def _p_tuning(settings: Settings, terms: Terms) -> str:
    arguments = {
        "num_virtual_tokens": settings["tokens"],
        "encoder_hidden_size": settings["width"],
    }
    return _peft("PromptEncoderConfig", arguments, terms)


def _adapter(settings: Settings, terms: Terms) -> str:
    anatomy = terms.anatomy
    given = (anatomy.blocks, anatomy.width, settings["width"], list(anatomy.head))
    return f"add_adapters(model, {', '.join(literal(each) for each in given)})"


def _head_only(settings: Settings, terms: Terms) -> str:
    head = terms.anatomy.head or terms.anatomy.beside
    told = f'"{head[0]}"' if len(head) == 1 else literal(tuple(head))
    return (
        "for name, weight in model.named_parameters():\n"
        f"    weight.requires_grad_(name.startswith({told}))"
    )


def _full(settings: Settings, terms: Terms) -> str:
    return ""


_CLASSIFIERS = {"classifier", "score"}
_RANK = {"rank": TrainingSetting(8, "", low=1, whole=True)}
_LORA = {
    **_RANK,
    "alpha": TrainingSetting(16, "", above_low=True),
    "dropout": TrainingSetting(0.0, "", high=0.9),
}
_TOKENS = {"tokens": TrainingSetting(20, "", low=1, whole=True)}
_SAVE_RANKS = """\
ranks = model.base_model.rankallocator
state["ranks"] = {name: vars(ranks)[name] for name in ("ipt", "exp_avg_ipt", "exp_avg_unc")}
state["pattern"] = model.peft_config["default"].rank_pattern"""
_LOAD_RANKS = """\
vars(model.base_model.rankallocator).update(state["ranks"])
model.peft_config["default"].rank_pattern = state["pattern"]"""
_MERGE = "model.merge_and_unload()"


def _imports(name: str) -> str:
    return f"from peft import {name}, get_peft_model"


METHODS: Mapping[str, Method] = {
    "full": Method(title="all weights", lines=_full, learning_rate=5e-5, of_peft=False),
    "head-only": Method(title="the head", lines=_head_only, learning_rate=1e-3, of_peft=False),
    "lora": Method(
        title="LoRA",
        lines=_lora,
        learning_rate=5e-4,
        settings=_LORA,
        targets="linear",
        imports=_imports("LoraConfig"),
        merged=_MERGE,
    ),
    "dora": Method(
        title="DoRA",
        lines=_dora,
        learning_rate=5e-4,
        settings=_LORA,
        targets="linear",
        imports=_imports("LoraConfig"),
        merged=_MERGE,
    ),
    "adalora": Method(
        title="AdaLoRA",
        lines=_adalora,
        learning_rate=1e-3,
        settings={**_LORA, "start_rank": TrainingSetting(12, "", low=1, whole=True)},
        targets="linear",
        imports=_imports("AdaLoraConfig"),
        merged=_MERGE,
        step="model.base_model.update_and_allocate(epoch * len(batches) + step)",
        penalty=" + 0.5 * orthogonality(network) / parts",
        saved=_SAVE_RANKS,
        loaded=_LOAD_RANKS,
        fragment="raygen.finetune.fragments.orthogonality",
    ),
    "qlora": Method(
        title="QLoRA",
        lines=_qlora,
        learning_rate=5e-4,
        settings=_LORA,
        targets="linear",
        imports="from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training\n"
        "from transformers import BitsAndBytesConfig",
        merged=_MERGE,
        base="quantization_config=BitsAndBytesConfig(load_in_4bit=True)",
        needs_gpu=True,
    ),
    "ia3": Method(
        title="IA3",
        lines=_ia3,
        learning_rate=5e-3,
        targets="TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING",
        imports=_imports("IA3Config"),
        merged=_MERGE,
    ),
    "prompt": Method(
        title="prompt tuning",
        lines=_prompt,
        learning_rate=1e-2,
        settings=_TOKENS,
        imports=_imports("PromptTuningConfig"),
        merged="",
    ),
    "prefix": Method(
        title="prefix tuning",
        lines=_prefix,
        learning_rate=5e-3,
        settings=_TOKENS,
        imports=_imports("PrefixTuningConfig"),
        merged="",
    ),
    "p-tuning": Method(
        title="P-tuning",
        lines=_p_tuning,
        learning_rate=2e-3,
        settings={**_TOKENS, "width": TrainingSetting(128, "", low=1, whole=True)},
        imports=_imports("PromptEncoderConfig"),
        merged="",
    ),
    "adapter": Method(
        title="bottleneck adapters",
        lines=_adapter,
        learning_rate=1e-3,
        settings={"width": TrainingSetting(32, "", low=1, whole=True)},
        fragment="raygen.finetune.fragments.adapter",
        merged="",
        of_peft=False,
    ),
}
"""Every method by its name in the YAML."""
