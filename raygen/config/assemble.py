"""Do the layers, the training settings and the parameters of a space fit together?

Every ``$reference`` must be defined, every parameter used, every setting possible. A config may
put its own settings and parameters in the place of those of a named space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raygen.config.domain import Choice, words_of
from raygen.config.origin import Origin, readable
from raygen.config.parameters import check_condition, in_order, used_parents
from raygen.config.references import Reference, reference_of, texts
from raygen.config.section import number
from raygen.config.space import Parameter, Space
from raygen.config.training import TRAINING_SETTINGS, TrainingSetting
from raygen.config.words import did_you_mean, listed, show
from raygen.errors import ConfigError


@dataclass(frozen=True)
class Draft:
    """The parts of a space as they are written, each read but not yet held against the others."""

    name: str
    layers: tuple[Any, ...]
    training: Mapping[str, Any]
    parameters: Mapping[str, Parameter]
    origin: Origin
    description: str = ""
    settings: Mapping[str, TrainingSetting] = field(default_factory=lambda: TRAINING_SETTINGS)
    """The training settings that there are."""


def assemble(draft: Draft, *, base: Space | None = None) -> Space:
    """Make a space of its parts.

    Args:
        draft: The parts; beside ``base``, only those that take the place of its parts.
        base: The named space under the draft.

    Raises:
        ConfigError: A reference is not defined, a parameter not used, a setting not possible, or a
            condition can never hold.
    """
    own = _checked_training(draft)
    if base is None:
        return _Parts(draft, own, draft.parameters, draft.origin, inherited=frozenset()).space()
    parameters = {each.name: each for each in base.parameters if each.name not in draft.parameters}
    for name in own.keys() & parameters.keys():
        if reference_of(own[name]) is None:  # a fixed setting: its conditions go on working
            parameters[name] = Parameter(name, Choice((own.pop(name),)), "training")
        else:
            del parameters[name]
    kept = {name: value for name, value in base.training.items() if name not in draft.parameters}
    inherited = frozenset(parameters)
    parts = _Parts(draft, kept | own, parameters | dict(draft.parameters), base.origin, inherited)
    return parts.space()


def _checked_training(draft: Draft) -> dict[str, Any]:
    """Check the draft's training settings by themselves."""
    settings: dict[str, Any] = {}
    for name, given in draft.training.items():
        where = draft.origin.where(f"training.{readable(name)}")
        setting = draft.settings.get(name)
        if setting is None:
            must = f"it must be one of {listed(draft.settings)}"
            remedy = did_you_mean(name, draft.settings)
            raise ConfigError("unknown training setting", where=where, must=must, remedy=remedy)
        if name in draft.parameters:
            must = "it must be given in `training` or in `parameters`, not in both"
            raise ConfigError("given twice", where=where, must=must, remedy="remove one")
        value = given if setting.options else number(given)
        if not (isinstance(value, str) and "$" in value) and not setting.allows(value):
            remedy = did_you_mean(value, setting.options)
            must = f"it must be {setting.must}"
            raise ConfigError(f"{show(given)} given", where=where, must=must, remedy=remedy)
        settings[name] = value
    return settings


@dataclass(frozen=True)
class _Parts:
    """Everything a space consists of, with the origin of each part."""

    draft: Draft
    training: Mapping[str, Any]
    parameters: Mapping[str, Parameter]
    base_origin: Origin
    inherited: frozenset[str]
    """Parameters of the named space: dropped where the config left them without use."""

    def space(self) -> Space:
        used = self._referenced() | (self.parameters.keys() & self.draft.settings.keys())
        parameters = self._without_unused(used_parents(used, self.parameters))
        for name, parameter in parameters.items():
            if name not in self.inherited:
                check_condition(parameter, parameters, where=self._where)
        ordered = in_order(parameters, where=self._where)
        draft = self.draft
        return Space(
            draft.name, draft.layers, self.training, ordered, self.base_origin, draft.description
        )

    def _referenced(self) -> set[str]:
        """Check every reference and collect the parameters they name."""
        used = set()
        trees = {"layers": self.draft.layers, "training": self.training}
        for path, text in (item for key, tree in trees.items() for item in texts(tree, key)):
            if "$" not in text:
                continue
            reference = reference_of(text)
            if reference is None:
                must = "a text with `$` must be `$name` or `$name * number`"
                raise ConfigError(f"{show(text)} given", where=self._where(path), must=must)
            self._check_reference(reference, path)
            used.add(reference.name)
        return used

    def _check_reference(self, reference: Reference, path: str) -> None:
        parameter = self.parameters.get(reference.name)
        if parameter is None:
            raise ConfigError(
                f"${reference.name} is not defined",
                where=self._where(path),
                must="it must be one of the parameters " + (listed(self.parameters) or "(none)"),
                remedy=did_you_mean(reference.name, self.parameters)
                or f"add `{reference.name}:` below `parameters:`",
            )
        domain, factor = parameter.domain, reference.factor
        words = isinstance(domain, Choice) and not all(
            isinstance(option, (int, float)) and not isinstance(option, bool)
            for option in domain.options
        )
        if words and factor != 1:
            problem = f"${reference.name} * {factor} given, where {reference.name} is a text"
            raise ConfigError(
                problem, where=self._where(path), must="only a number can have a factor"
            )
        setting = self.draft.settings.get(path.removeprefix("training."))
        if path.startswith("training.") and setting and not setting.allows_all(domain, factor):
            times = "" if factor == 1 else f" times {factor}"
            problem = f"${reference.name} is {words_of(domain)}{times}"
            raise ConfigError(problem, where=self._where(path), must=f"it must be {setting.must}")

    def _without_unused(self, used: set[str]) -> dict[str, Parameter]:
        for name in self.parameters:
            if name not in used and name not in self.inherited:
                known = [other for other in self.parameters if other != name]
                raise ConfigError(
                    "never used",
                    where=self._where(f"parameters.{name}"),
                    must=f"it must stand as ${name} in the layers or in `training`, or be the name "
                    "of a training setting",
                    remedy=did_you_mean(name, [*known, *self.draft.settings]) or "remove it",
                )
        return {name: each for name, each in self.parameters.items() if name in used}

    def _where(self, path: str) -> str:
        """Say where a part is written: in the config, or in the file of the named space."""
        section, _, rest = path.partition(".")
        name = rest.split(".")[0]
        written = {"training": self.draft.training, "parameters": self.draft.parameters}
        own = name in written.get(section, {})
        return (self.draft.origin if own else self.base_origin).where(path)
