"""Where does a candidate lie in the unit cube, and which candidate lies at a point of it?

``Encoding(space).position(values)`` is one number from 0 to 1 for each parameter; ``features`` of
positions are what a model learns from: one-hot options, and one and the same place for whatever
is not active.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from raygen.config.space import Choice, Domain, Int, Parameter, Space, Value

Array: TypeAlias = NDArray[np.float64]

_FEW = 10
_INACTIVE = 0.5
"""The position of a parameter that is not active."""


class Encoding:
    """A space as a unit cube with one dimension for each parameter.

    A range of numbers lies evenly (on the log scale if the range is one) over its dimension; of n
    steps or options each has an n-th of it, in their order, and stands at the middle of its part.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.axes = tuple(Axis(each) for each in space.parameters)
        order = {each.name: index for index, each in enumerate(space.parameters)}
        self._conditions = tuple(
            (order[each.name], order[each.when.parameter], self._asked(order, each))
            for each in space.parameters
            if each.when is not None
        )
        self.group = np.repeat(np.arange(len(self.axes)), [each.width for each in self.axes])
        """For each column of the features, the index of its parameter."""
        few = [each.size is not None and each.size <= _FEW for each in self.axes]
        self.is_coarse = np.array([not a.ordinal for a in self.axes], dtype=bool) | few
        """(parameters,) whether its options have no order, or it has so few values that a small
        step leads nowhere."""

    @property
    def size(self) -> int:
        """Number of parameters."""
        return len(self.axes)

    def position(self, values: Mapping[str, Value]) -> Array:
        """The position (parameters,) of a candidate, given its active values."""
        return np.array(
            [
                axis.position(values[axis.name]) if axis.name in values else _INACTIVE
                for axis in self.axes
            ]
        )

    def values(self, position: Array) -> dict[str, Any]:
        """The active values of the candidate at a position (parameters,)."""
        found = zip(self.axes, position, strict=True)
        return self.space.active({axis.name: axis.value(float(at)) for axis, at in found})

    def snap(self, positions: Array) -> Array:
        """Move points (n, parameters) of the unit cube to the candidates they stand for."""
        snapped = np.empty_like(positions)
        for column, axis in enumerate(self.axes):
            snapped[:, column] = axis.snap(positions[:, column])
        snapped[~self.active(snapped)] = _INACTIVE
        return snapped

    def active(self, snapped: Array) -> NDArray[np.bool_]:
        """Tell for each parameter of snapped positions (n, parameters) whether it is active."""
        active = np.ones(snapped.shape, dtype=bool)
        for child, parent, asked in self._conditions:
            holds = (np.abs(snapped[:, parent, None] - asked) < 1e-9).any(axis=1)
            active[:, child] = active[:, parent] & holds
        return active

    def features(self, snapped: Array) -> Array:
        """What a model learns from: (n, columns), any two options at a distance of 1."""
        active = self.active(snapped)
        columns = [
            axis.columns(snapped[:, index], active[:, index])
            for index, axis in enumerate(self.axes)
        ]
        return np.concatenate(columns, axis=1) if columns else np.zeros((len(snapped), 0))

    def _asked(self, order: Mapping[str, int], child: Parameter) -> Array:
        """Positions at which the parent makes a parameter active."""
        assert child.when is not None, "only parameters with a condition are asked for"
        parent = self.axes[order[child.when.parameter]]
        return np.array([parent.position(v) for v in child.when.values if parent.holds(v)])


class Axis:
    """One parameter's dimension of the cube."""

    def __init__(self, parameter: Parameter) -> None:
        self.name = parameter.name
        self.domain: Domain = parameter.domain
        self.size = parameter.domain.size
        self.options = _in_order(parameter.domain) if isinstance(parameter.domain, Choice) else ()
        self.ordinal = not self.options or len(self.options) == 2 or _are_numbers(self.options)
        if self.domain_is_log:
            assert not isinstance(self.domain, Choice), "options have no scale"
            half = 0.5 if isinstance(self.domain, Int) else 0.0
            self._low = math.log(self.domain.low - half)
            self._span = (math.log(self.domain.high + half) - self._low) or 1.0

    @property
    def domain_is_log(self) -> bool:
        """Whether it is a range on a log scale."""
        return not isinstance(self.domain, Choice) and self.domain.log

    @property
    def width(self) -> int:
        """Number of columns among the features."""
        return 1 if self.ordinal else len(self.options)

    def holds(self, value: Value) -> bool:
        """Tell whether a value is one of the parameter's."""
        return self.domain.contains(value)

    def position(self, value: Any) -> float:
        """From a value to its place."""
        domain = self.domain
        if isinstance(domain, Choice):
            return (_index(self.options, value) + 0.5) / len(self.options)
        if domain.low == domain.high:
            return _INACTIVE
        if domain.log:
            return float((math.log(value) - self._low) / self._span)
        if self.size is None:
            return float((value - domain.low) / (domain.high - domain.low))
        step: int = round((value - domain.low) / (domain.step or 1))
        return (step + 0.5) / self.size

    def value(self, at: float) -> Value:
        """From a snapped place to its value, plain Python."""
        domain = self.domain
        if isinstance(domain, Choice):
            return self.options[self._nth(at)]
        if domain.low == domain.high:
            return domain.low
        if domain.log:
            between = math.exp(self._low + at * self._span)
            if isinstance(domain, Int):
                return min(max(round(between), domain.low), domain.high)
            return float(min(max(between, domain.low), domain.high))
        if self.size is None:
            between = domain.low + at * (domain.high - domain.low)
            return float(min(max(between, domain.low), domain.high))
        value = domain.low + self._nth(at) * (domain.step or 1)
        # 12 digits: 0.1 + 2 * 0.1 is 0.3, not 0.30000000000000004
        return value if isinstance(domain, Int) else min(float(f"{value:.12g}"), domain.high)

    def snap(self, at: Array) -> Array:
        """Move places (n,) to those of values."""
        at = np.clip(at, 0.0, 1.0)
        if isinstance(self.domain, Int) and self.domain.log and self.domain.low < self.domain.high:
            whole = np.round(np.exp(self._low + at * self._span))
            whole = np.clip(whole, self.domain.low, self.domain.high)
            snapped: Array = (np.log(whole) - self._low) / self._span
            return snapped
        if self.size is None:
            return at
        return (np.minimum(np.floor(at * self.size), self.size - 1) + 0.5) / self.size

    def columns(self, at: Array, active: NDArray[np.bool_]) -> Array:
        """From snapped places (n,) to columns (n, width)."""
        if self.ordinal:
            if self.size is None or self.domain_is_log or self.size == 1:
                return at[:, None]
            # of n steps the first stands at 0 and the last at 1
            spread = 0.5 + (at - 0.5) * self.size / (self.size - 1)
            return spread[:, None]
        hot = np.zeros((len(at), self.width))
        index = np.minimum((at * self.width).astype(int), self.width - 1)
        hot[np.arange(len(at)), index] = math.sqrt(0.5)
        return hot * active[:, None]

    def _nth(self, at: float) -> int:
        assert self.size is not None, "continuous ranges have no n-th value"
        return min(int(at * self.size), self.size - 1)


def _in_order(domain: Choice) -> tuple[Value, ...]:
    """Options that are numbers by their size, others as they are written."""
    if _are_numbers(domain.options):
        return tuple(sorted(domain.options, key=float))
    return domain.options


def _are_numbers(options: tuple[Value, ...]) -> bool:
    return all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in options)


def _index(options: tuple[Value, ...], value: Value) -> int:
    """The place of an option; ``True`` is not 1, which ``tuple.index`` would take it for."""
    for index, option in enumerate(options):
        if option == value and isinstance(option, bool) == isinstance(value, bool):
            return index
    raise AssertionError(f"{value!r} is not one of {options}")
