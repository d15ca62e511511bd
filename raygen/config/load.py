"""What does the user want: the YAML file, checked and typed, or one line that says what is wrong.

``load_experiment("config.yaml", ["search.trials=8"])`` reads, overrides and checks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from raygen.config.document import parse_value, read_document
from raygen.config.origin import Origin
from raygen.config.parameters import parse_parameters
from raygen.config.refusal import refusal
from raygen.config.schema import Experiment
from raygen.config.spaces import space_of
from raygen.config.training import FINETUNE_SETTINGS, TRAINING_SETTINGS
from raygen.config.words import show
from raygen.errors import ConfigError


def load_experiment(path: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read a config file.

    Args:
        path: The YAML file.
        overrides: ``key.below=value`` each, as given to ``--set``; the value is YAML.

    Raises:
        ConfigError: The file or an override does not say something that can be done.
    """
    values, origin = read_document(path)
    return override_experiment(values, overrides, origin=origin)


def override_experiment(
    values: Mapping[str, Any], overrides: Sequence[str], *, origin: Origin
) -> Experiment:
    """Check and type the plain data of a config with some of it replaced.

    Raises:
        ConfigError: It or an override does not say something that can be done.
    """
    values = dict(values)
    for override in overrides:
        values = _override(values, override, origin)
    paths = tuple(override.partition("=")[0].strip() for override in overrides)
    return parse_experiment(values, origin=replace(origin, overrides=paths))


def parse_experiment(values: Mapping[str, Any], *, origin: Origin | None = None) -> Experiment:
    """Check and type the plain data of a config.

    Raises:
        ConfigError: It does not say something that can be done.
    """
    origin = origin or Origin("config")
    try:
        experiment = Experiment.model_validate(dict(values)).written_in(origin)
    except ValidationError as error:
        raise refusal(error, origin) from None
    if experiment.model.layers is not None or experiment.task.name == "Custom":
        space_of(experiment, default="")
    else:  # a named space is read when it is asked for; what the config adds is checked now
        settings = FINETUNE_SETTINGS if experiment.model.pretrained else TRAINING_SETTINGS
        below = origin.below("model")
        parse_parameters(experiment.model.parameters, origin=below, settings=settings)
    return experiment


def dump_experiment(experiment: Experiment) -> str:
    """Write an experiment as complete YAML, with every default, that loads back equal."""
    text: str = yaml.dump(
        _told(experiment, experiment.model_dump(mode="json")),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
    return text


class _Dumper(yaml.SafeDumper):
    """Writes mappings in blocks and lists of plain values in one line, without aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represent_mapping(dumper: yaml.SafeDumper, data: dict[str, Any]) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=not data)


def _represent_list(dumper: yaml.SafeDumper, data: list[Any]) -> yaml.Node:
    plain = not any(isinstance(item, (dict, list)) for item in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=plain)


def _represent_text(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    # a text that some YAML reads as a number, such as 1e-3, is quoted
    try:
        float(data.replace("_", ""))
    except ValueError:
        return dumper.represent_str(data)
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style="'")


_Dumper.add_representer(dict, _represent_mapping)
_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(str, _represent_text)


def _told(section: BaseModel, dumped: dict[str, Any]) -> dict[str, Any]:
    """Leave out the keys that say nothing: empty ones whose default is empty."""
    told = {}
    for key, field in type(section).model_fields.items():
        value, default = dumped[key], field.get_default(call_default_factory=True)
        below = getattr(section, key)
        if isinstance(below, BaseModel):
            value = _told(below, value)
        elif value in (None, [], {}) and default in (None, (), {}):
            continue
        told[key] = value
    return told


def _override(values: dict[str, Any], override: str, origin: Origin) -> dict[str, Any]:
    """Give the values with one key replaced."""
    path, equals, text = override.partition("=")
    path = path.strip()
    where = f"--set {path}"
    if not equals or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", path):
        must = "it must be KEY=VALUE, the key plain words joined by dots"
        raise ConfigError(f"{show(override)} given", where="--set", must=must, remedy=_EXAMPLE)
    value = parse_value(text, where=where)
    return _with(values, path.split("."), value, where)


_EXAMPLE = "for example `--set search.trials=8`"


def _with(values: Any, keys: Sequence[str], value: Any, where: str) -> dict[str, Any]:
    if values is not None and not isinstance(values, dict):
        problem = f"`{keys[0]}` is asked for below {show(values)}"
        raise ConfigError(problem, where=where, must="only a mapping has keys below it")
    known = values or {}
    below = value if len(keys) == 1 else _with(known.get(keys[0]), keys[1:], value, where)
    return {**known, keys[0]: below}
