"""Which space is searched: a shipped one, one from a file, or one written in the config?

``load_space("image/convnet")`` gives a shipped space; ``list_spaces()`` names them all.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raygen.config.assemble import Draft, assemble
from raygen.config.document import read_document
from raygen.config.domain import Choice
from raygen.config.origin import Origin, readable
from raygen.config.parameters import check_condition, in_order, parse_parameters
from raygen.config.schema import Experiment
from raygen.config.section import freeze
from raygen.config.space import Parameter, Space
from raygen.config.words import did_you_mean, listed, show
from raygen.errors import ConfigError

_KEYS = ("description", "layers", "training", "parameters")


def list_spaces() -> tuple[str, ...]:
    """Name the shipped spaces, for example ``image/convnet``."""
    root = _shipped()
    files = sorted(root.glob("*/*.yaml"))
    return tuple(file.relative_to(root).with_suffix("").as_posix() for file in files)


def load_space(name_or_path: str | Path) -> Space:
    """Read a shipped space by name, or a space file.

    Raises:
        ConfigError: There is no such space, or its file does not hold one.
    """
    return _load(name_or_path, where="", beside=Path())


def space_of(experiment: Experiment, default: str) -> Space:
    """Give the space an experiment searches, with what its config sets in its place.

    Args:
        experiment: Its ``model`` names a space, holds one, or leaves it to the default.
        default: Name of the space to take when the config says nothing.

    Raises:
        ConfigError: There is no such space, or what is written does not make one.
    """
    model, origin = experiment.model, experiment.origin.below("model")
    if experiment.task.name == "Custom":
        return _space_without_layers(experiment)
    if model.layers is not None:
        written = {"layers": model.layers, "training": model.training}
        return _space("config", written | {"parameters": model.parameters}, origin)
    beside = Path(experiment.origin.file).parent
    base = _load(model.space or default, where=origin.where("space"), beside=beside)
    if not (model.training or model.parameters):
        return base
    parameters = {each.name: each for each in base.parameters}
    own = parse_parameters(model.parameters, origin=origin, base=parameters)
    draft = Draft(base.name, base.layers, model.training, own, origin, base.description)
    return assemble(draft, base=base)


def _space_without_layers(experiment: Experiment) -> Space:
    """Give the space of a user's own objective: nothing but parameters, of any name."""
    model, origin = experiment.model, experiment.origin.below("model")
    for key in ("layers", "training"):
        if getattr(model, key):
            must = "a Custom task has parameters only"
            raise ConfigError("given for Custom", where=origin.where(key), must=must)
    if experiment.task.files is not None:
        if model.parameters or model.space:
            key, must = (
                "parameters" if model.parameters else "space",
                "files are ranked as they are",
            )
            raise ConfigError("given for files", where=origin.where(key), must=must)
        return Space("files", (), parameters=(Parameter("file", Choice(experiment.task.files)),))
    base, base_origin, description = _without_layers(experiment)
    own = parse_parameters(model.parameters, origin=origin, base=base, settings={})
    parameters = {**base, **own}
    if not parameters:
        raise ConfigError(
            "missing",
            where=origin.where("parameters"),
            must="a Custom task must have at least one parameter",
            remedy="for example `parameters: {lr: {float: [1e-4, 1e-1], log: true}}`",
        )

    def where(path: str) -> str:
        return (origin if path.split(".")[1] in own else base_origin).where(path)

    for each in parameters.values():
        check_condition(each, parameters, where=where)
    ordered = in_order(parameters, where=where)
    name = model.space or "config"
    return Space(name, (), parameters=ordered, origin=base_origin, description=description)


def _without_layers(experiment: Experiment) -> tuple[dict[str, Parameter], Origin, str]:
    """Read the parameters and the description of the named file; none if no file is named."""
    name, origin = experiment.model.space, experiment.origin
    if name is None:
        return {}, origin.below("model"), ""
    beside = Path(origin.file).parent
    values, origin = _read(name, where=origin.where("model.space"), beside=beside)
    for key in ("layers", "training"):
        if values.get(key):
            must = "the space of a Custom task has parameters only"
            raise ConfigError("given for Custom", where=origin.where(key), must=must)
    parameters = parse_parameters(values.get("parameters") or {}, origin=origin, settings={})
    return parameters, origin, str(values.get("description") or "")


def _load(name_or_path: str | Path, *, where: str, beside: Path) -> Space:
    """Read a space with layers."""
    values, origin = _read(name_or_path, where=where, beside=beside)
    return _space(str(name_or_path), values, origin)


def _read(name_or_path: str | Path, *, where: str, beside: Path) -> tuple[dict[str, Any], Origin]:
    """Read a space file; a relative path is looked for here, then in the folder ``beside``."""
    name = str(name_or_path)
    if Path(name).suffix in (".yaml", ".yml"):
        path = Path(name) if _is_file(Path(name)) else beside / name
        if not _is_file(path):
            raise ConfigError(f"{name!r} given", where=where, must="there must be such a file")
    elif name in (shipped := list_spaces()):
        path = _shipped() / f"{name}.yaml"
    else:
        known = f"one of {listed(shipped)}" if shipped else "a .yaml file"
        remedy = did_you_mean(name, shipped)
        must = f"a space must be {known}" + (", or a .yaml file" if shipped else "")
        raise ConfigError(f"unknown space {show(name)}", where=where, must=must, remedy=remedy)
    values, origin = read_document(path)
    for key in values:
        if key not in _KEYS:
            raise ConfigError(
                "unknown key",
                where=origin.where(readable(key)),
                must=f"it must be one of {listed(_KEYS)}",
                remedy=did_you_mean(key, _KEYS),
            )
    return values, origin


def _space(name: str, values: Mapping[str, Any], origin: Origin) -> Space:
    layers, description = values.get("layers"), values.get("description") or ""
    if not isinstance(layers, (list, tuple)) or not layers:
        given = f"{show(layers)} given" if "layers" in values else "missing"
        must = "a space must have a list of layers"
        raise ConfigError(given, where=origin.where("layers"), must=must)
    if not isinstance(description, str):
        where = origin.where("description")
        raise ConfigError(f"{show(description)} given", where=where, must="it must be a text")
    training = values.get("training")
    if training is not None and not isinstance(training, Mapping):
        where, must = origin.where("training"), "it must be a mapping of training settings"
        raise ConfigError(f"{show(training)} given", where=where, must=must)
    written = values.get("parameters")
    parameters = parse_parameters({} if written is None else written, origin=origin)
    return assemble(Draft(name, freeze(layers), training or {}, parameters, origin, description))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than the system allows
        return False


def _shipped() -> Path:
    """Find the folder of the shipped spaces: package data, or that of the checkout."""
    package = importlib.util.find_spec("raygen.search_spaces")
    folders = () if package is None else package.submodule_search_locations or ()
    found = [Path(folder) for folder in folders if any(Path(folder).glob("*/*.yaml"))]
    return found[0] if found else Path(__file__).parents[2] / "search_spaces"
