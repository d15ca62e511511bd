"""Which layers does a method change, and by which lines of a program?"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from raygen.config.references import resolve
from raygen.errors import ConfigError, SourceError
from raygen.finetune.anatomy import build_empty
from raygen.finetune.methods import METHODS, Terms
from raygen.fragments import link
from raygen.source.candidate import Candidate

if TYPE_CHECKING:
    from raygen.finetune.blueprint import PretrainedBlueprint


def method_lines(blueprint: PretrainedBlueprint, candidate: Candidate) -> str:
    """The lines of ``build_model`` that say what is trained.

    Raises:
        ConfigError: A target names no layer, or there is no head to train.
    """
    anatomy = blueprint.spec.anatomy
    if blueprint.method_name == "head-only" and not (anatomy.head or anatomy.beside):
        raise ConfigError(
            f"head-only given, and the {anatomy.kind} model has no head for {blueprint.task_name}",
            where=blueprint.space.origin.where("method"),
            must="it must have one with weights of its own",
            remedy="write lora",
        )
    (layer,) = blueprint.space.layers
    settings = resolve(layer[blueprint.method_name], candidate.values)
    terms = Terms(
        task_type=blueprint.task.task_type,
        anatomy=anatomy,
        targets=_targets(blueprint, settings.get("target_modules")),
        steps=blueprint.epochs * _steps_per_epoch(blueprint),
    )
    return blueprint.method.lines(settings, terms)


def default_lines(blueprint: PretrainedBlueprint, name: str) -> str:
    """The lines of another method with its default settings."""
    method, anatomy = METHODS[name], blueprint.spec.anatomy
    settings = {key: each.default for key, each in method.settings.items()}
    targets = anatomy.automatic(method.targets) if method.targets else ()
    return method.lines(settings, Terms(blueprint.task.task_type, anatomy, targets))


def count_trained(blueprint: PretrainedBlueprint, candidate: Candidate) -> int:
    """Numbers that are trained, counted on a model without weights.

    Raises:
        ConfigError: A target names no layer.
        SourceError: The method cannot be put into the model.
    """
    model = place(blueprint, blueprint.method_name, method_lines(blueprint, candidate))
    return sum(
        weight.numel()
        for name, weight in model.named_parameters()
        if weight.requires_grad and ".ranknum" not in name  # which AdaLoRA only looks at
    )


def place(blueprint: PretrainedBlueprint, name: str, lines: str) -> Any:
    """The model with a method put into it, on the meta device: all shapes, no numbers.

    Raises:
        SourceError: The method cannot be put into the model.
    """
    spec, task, method = blueprint.spec, blueprint.task, METHODS[name]
    key = (spec.folder, task.auto_class, len(spec.classes), name, lines)
    if key not in _KNOWN:
        settings = {"num_labels": len(spec.classes)} if spec.classes else {}
        model, _ = build_empty(spec.folder, task.auto_class, **settings)
        program: dict[str, Any] = {"__name__": "method", "model": model}
        text = link([method.fragment], {}) if method.fragment else ""
        exec(f"{text}\n{method.imports}", program)
        try:
            with warnings.catch_warnings():  # of transformers, about names that peft uses
                warnings.simplefilter("ignore", FutureWarning)
                exec(lines.replace("prepare_model_for_kbit_training(model)", "model"), program)
        except ValueError as error:
            raise SourceError(f"{method.title} cannot be put into the model: {error}") from error
        _KNOWN[key] = program["model"]
    return _KNOWN[key]


def _steps_per_epoch(blueprint: PretrainedBlueprint) -> int:
    batch = blueprint.space.training_settings({})["batch_size"]
    rows = blueprint.spec.num_rows * (blueprint.folds - 1) // blueprint.folds
    return -(-rows // batch) if isinstance(batch, int) else 1


def _targets(blueprint: PretrainedBlueprint, given: Any) -> tuple[str, ...]:
    anatomy = blueprint.spec.anatomy
    if given is None:
        return ()
    if not anatomy.names:
        raise ConfigError(
            f"no layer of {blueprint.spec.constants['PRETRAINED']} can be changed by "
            f"{blueprint.method_name}",
            where=blueprint.space.origin.where("method"),
            must="it must have linear layers, or convolutions that are padded as usual",
            remedy="write head-only or full",
        )
    if given == "auto":
        return anatomy.automatic(blueprint.method.targets)
    if given == "all-linear":
        return anatomy.names
    found = anatomy.matched(given)
    for name in given:
        if name not in found:
            raise ConfigError(
                f"target {name!r} matches no layer of {blueprint.spec.constants['PRETRAINED']}",
                where=blueprint.space.origin.where(f"{blueprint.method_name}.target_modules"),
                must=f"it must be one of {', '.join(anatomy.names)}",
                remedy="or write auto",
            )
    return tuple(given)


_KNOWN: dict[Any, Any] = {}
