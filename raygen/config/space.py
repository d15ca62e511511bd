"""What can be searched: layers with open parameters, and the values these may take.

``space.sample(rng)`` draws one candidate's values; ``space.size()`` counts the candidates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from raygen.config.domain import Choice, Domain, Float, Int, Value, same, words_of
from raygen.config.origin import Origin
from raygen.config.references import Reference, reference_of, resolve
from raygen.config.training import (
    FINETUNE_SETTINGS,
    TRAINING_SETTINGS,
    TrainingSetting,
    training_defaults,
)
from raygen.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "TRAINING_SETTINGS",
    "Changes",
    "Choice",
    "Condition",
    "Confidence",
    "Domain",
    "Float",
    "Int",
    "Parameter",
    "Prior",
    "Reference",
    "Space",
    "TrainingSetting",
    "Value",
    "reference_of",
    "resolve",
    "training_defaults",
]

Changes = Literal["architecture", "training"]
Confidence = Literal["low", "medium", "high"]


@dataclass(frozen=True)
class Condition:
    """Holds when a parameter is itself active and has one of some values."""

    parameter: str
    values: tuple[Value, ...]

    def __str__(self) -> str:
        return f"{self.parameter} is {' or '.join(map(str, self.values))}"

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Tell whether it holds for the active values of a candidate."""
        return self.parameter in values and any(
            same(values[self.parameter], value) for value in self.values
        )


@dataclass(frozen=True)
class Prior:
    """Where its user expects the best value of a parameter, and how surely."""

    at: Value
    confidence: Confidence = "medium"


@dataclass(frozen=True)
class Parameter:
    """One thing that differs between candidates."""

    name: str
    domain: Domain
    changes: Changes = "architecture"
    """Whether another value makes another network or only trains it otherwise."""
    when: Condition | None = None
    """When it is active; None for always."""
    prior: Prior | None = None
    """What is believed of its best value before the search."""

    def is_active(self, values: Mapping[str, Value]) -> bool:
        """Tell whether it is active beside the active values of a candidate."""
        return self.when is None or self.when.holds(values)


@dataclass(frozen=True)
class Space:
    """Layers with open parameters, and the values these may take."""

    name: str
    layers: tuple[Any, ...]
    """The YAML list, with its references unresolved."""
    training: Mapping[str, Value] = field(default_factory=dict)
    """Training settings that are fixed or given as ``$parameter``."""
    parameters: tuple[Parameter, ...] = ()
    """Ordered so that the parameter of a condition comes before those that depend on it."""
    origin: Origin = field(default_factory=Origin)
    """Where it is written; its paths start at ``layers``, ``training`` and ``parameters``."""
    description: str = ""

    def active(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Drop the values of parameters that are not active beside the others."""
        kept: dict[str, Value] = {}
        for parameter in self.parameters:
            if parameter.name in values and parameter.is_active(kept):
                kept[parameter.name] = values[parameter.name]
        return kept

    def sample(self, rng: np.random.Generator) -> dict[str, Value]:
        """Draw the values of one candidate: active parameters only, plain Python values."""
        drawn: dict[str, Value] = {}
        for parameter in self.parameters:
            if parameter.is_active(drawn):
                drawn[parameter.name] = parameter.domain.sample(rng)
        return drawn

    def validate(self, values: Mapping[str, Value]) -> None:
        """Check that values are those of a candidate: all active parameters, each in its domain.

        Raises:
            ConfigError: A value is missing, too much, or out of its domain.
        """
        active = self.active(values)
        for parameter in self.parameters:
            path = f"parameters.{parameter.name}"
            if parameter.is_active(active) and parameter.name not in values:
                self._refuse(path, "no value given", "every active parameter must have one")
            if parameter.name in active and not parameter.domain.contains(values[parameter.name]):
                given = f"value {values[parameter.name]!r} given"
                self._refuse(path, given, f"it must be {words_of(parameter.domain)}")
        for name in values:
            if name not in active:
                self._refuse(f"parameters.{name}", "a value given", "it must be an active one")

    def size(self) -> int | None:
        """Count the different candidates; None when a parameter is continuous."""
        if any(parameter.domain.size is None for parameter in self.parameters):
            return None
        return math.prod(self._size_below(each) for each in self.parameters if each.when is None)

    def training_settings(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Give every training setting of a candidate: tuned, fixed by the space, or default.

        Args:
            values: The candidate's active values.
        """
        settings = training_defaults()
        for name, given in self.training.items():
            reference = reference_of(given)
            if reference is None:
                settings[name] = given
            elif reference.name in values:  # the default stands while it is not active
                settings[name] = reference.resolve(values)
        known = {*settings, *FINETUNE_SETTINGS}
        return settings | {name: value for name, value in values.items() if name in known}

    def _size_below(self, parent: Parameter) -> int:
        """Count the combinations of one parameter and of all that depend on it."""
        children = [
            (each.when, self._size_below(each))
            for each in self.parameters
            if each.when is not None and each.when.parameter == parent.name
        ]
        asked: list[Value] = []
        for condition, _ in children:
            asked += [
                value
                for value in condition.values
                if parent.domain.contains(value) and not any(same(value, old) for old in asked)
            ]
        size = parent.domain.size
        assert size is not None, "size() has seen to continuous parameters"
        return (size - len(asked)) + sum(
            math.prod(below for condition, below in children if condition.holds({parent.name: v}))
            for v in asked
        )

    def _refuse(self, path: str, problem: str, must: str) -> None:
        raise ConfigError(problem, where=self.origin.where(path), must=must)
