"""What is open in a fine-tuning: which settings of the method and of the training are searched?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raygen.config.assemble import Draft, assemble
from raygen.config.model_section import METHOD_KEYS
from raygen.config.parameters import parse_parameters
from raygen.config.references import reference_of
from raygen.config.schema import Experiment
from raygen.config.section import number
from raygen.config.space import Choice, Parameter, Space
from raygen.config.training import FINETUNE_SETTINGS, TrainingSetting
from raygen.config.words import did_you_mean, listed, show
from raygen.errors import ConfigError
from raygen.finetune.methods import METHODS

DEFAULT_METHOD = "lora"

_OF_PEFT = {
    "r": "rank",
    "target_r": "rank",
    "init_r": "start_rank",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
    "num_virtual_tokens": "tokens",
    "encoder_hidden_size": "width",
}
"""What settings are called here that peft calls otherwise."""


def finetuning_space(experiment: Experiment) -> Space:
    """Give the parameters of a fine-tuning, and all settings with their defaults.

    The settings of the method stand where a network has its layers: what they name is written
    into the program once and cannot change while it trains.

    Raises:
        ConfigError: A setting is unknown or cannot be what is given, or a parameter is not used.
    """
    model, origin = experiment.model, experiment.origin.below("model")
    name = model.method or DEFAULT_METHOD
    method = METHODS[name]
    parameters = parse_parameters(model.parameters, origin=origin, settings=FINETUNE_SETTINGS)
    known = dict(method.settings)
    settings: dict[str, Any] = {key: each.default for key, each in known.items()}
    if method.targets:
        settings["target_modules"] = "auto"
    for key, given in model.method_settings.items():
        where = origin.where(f"{METHOD_KEYS[name]}.{key}")
        if key not in settings:
            must = f"it must be one of {listed(settings)}"
            meant = _OF_PEFT.get(key, "")
            remedy = f"write {meant}" if meant in settings else did_you_mean(key, settings)
            raise ConfigError(f"unknown setting of {name}", where=where, must=must, remedy=remedy)
        if key == "target_modules":
            settings[key] = _checked_targets(given, where)
        else:
            settings[key] = _checked(given, known[key], parameters, where)
    defaults: dict[str, Any] = {key: each.default for key, each in FINETUNE_SETTINGS.items()}
    defaults["learning_rate"] = method.learning_rate
    training = {key: value for key, value in defaults.items() if key not in parameters}
    draft = Draft(
        name=f"{method.title} of {model.pretrained}",
        layers=({name: settings},),
        training={**training, **model.training},
        parameters=parameters,
        origin=origin,
        settings=FINETUNE_SETTINGS,
    )
    return assemble(draft)


def reserved_tokens(space: Space) -> int:
    """The most tokens of a model's length that the method of a space takes for itself."""
    (settings,) = space.layers[0].values()
    given = settings.get("tokens", 0)
    reference = reference_of(given)
    if reference is None:
        return int(given)
    domain = next(each.domain for each in space.parameters if each.name == reference.name)
    ends = domain.options if isinstance(domain, Choice) else (domain.high,)
    return int(max(float(end) for end in ends) * reference.factor)


def _checked(
    given: Any, setting: TrainingSetting, parameters: Mapping[str, Parameter], where: str
) -> Any:
    must = f"it must be {setting.must}"
    if isinstance(given, str) and "$" in given:
        reference = reference_of(given)
        if reference is None or reference.name not in parameters:
            raise ConfigError(
                f"{show(given)} given",
                where=where,
                must=f"it must name one of the parameters: {listed(parameters) or '(none)'}",
                remedy=did_you_mean(given.lstrip("$"), parameters),
            )
        if not setting.allows_all(parameters[reference.name].domain, reference.factor):
            raise ConfigError(f"{show(given)} given, which goes further", where=where, must=must)
        return given
    if not setting.allows(number(given)):
        raise ConfigError(f"{show(given)} given", where=where, must=must)
    return number(given)


def _checked_targets(given: Any, where: str) -> Any:
    if given in ("auto", "all-linear"):
        return given
    if not isinstance(given, tuple) or not given or not all(isinstance(n, str) for n in given):
        raise ConfigError(
            f"{show(given)} given",
            where=where,
            must="it must be auto, all-linear or a list of names of layers",
            remedy="for example `[query, value]`",
        )
    return given
