"""Which number does a library see for a parameter's value, and which value does its number mean?

The libraries know ranges of real and whole numbers, on a linear or a log scale, and options. What
has steps, or is an option, is handed over as its index.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from raygen.config.domain import same
from raygen.config.space import Choice, Int, Parameter, Space, Value

Kind = Literal["option", "step", "whole", "real"]


class Coordinate:
    """One parameter as a library sees it: an index, or a number of its range."""

    def __init__(self, parameter: Parameter) -> None:
        self.name = parameter.name
        self.domain = domain = parameter.domain
        self.kind: Kind
        self.low: float
        self.high: float
        self.log = False
        match domain:
            case Choice(options):
                self.kind, self.low, self.high = "option", 0, len(options) - 1
            case _ if domain.size is not None and not domain.log:
                self.kind, self.low, self.high = "step", 0, domain.size - 1
            case _:
                self.kind = "whole" if isinstance(domain, Int) else "real"
                self.low, self.high, self.log = domain.low, domain.high, domain.log
        self._steps = domain.grid(2) if self.kind in ("option", "step") else ()

    @property
    def size(self) -> int:
        """How many indices there are, for options and steps."""
        return len(self._steps)

    @property
    def middle(self) -> float:
        """The number in the middle of the range, on its scale."""
        if self.log:
            between = math.sqrt(self.low * self.high)
            return round(between) if self.kind == "whole" else between
        return (self.low + self.high) / 2 if self.kind == "real" else (self.low + self.high) // 2

    def number(self, value: Value) -> Any:
        """From a value to its number."""
        if self.kind == "option":
            return next(index for index, each in enumerate(self._steps) if same(each, value))
        if self.kind == "step":
            assert not isinstance(self.domain, Choice), "options have no distance"
            return round((value - self.domain.low) / (self.domain.step or 1))  # type: ignore[operator]  # a number
        return value

    def value(self, number: Any) -> Value:
        """From a number, which may lie between two, to its value in plain Python."""
        inside = min(max(float(number), self.low), self.high)
        if self._steps:
            return self._steps[round(inside)]
        return round(inside) if self.kind == "whole" else self._readable(inside)

    def _readable(self, number: float) -> float:
        """Leave out digits that are less than a ten-thousandth of the range."""
        width = number * math.log(self.high / self.low) if self.log else self.high - self.low
        digits = 4 - math.floor(math.log10(width))
        return float(min(max(round(number, digits), self.low), self.high))


def coordinates_of(space: Space) -> tuple[Coordinate, ...]:
    """The parameters that have more than one value; libraries refuse a range without width."""
    return tuple(Coordinate(each) for each in space.parameters if each.domain.size != 1)


def values_of(space: Space, numbers: Mapping[str, Any]) -> dict[str, Value]:
    """The active values of a candidate, given the numbers of its coordinates."""
    values: dict[str, Value] = {}
    for each in space.parameters:
        if not each.is_active(values):
            continue
        if each.domain.size == 1:
            values[each.name] = each.domain.grid(1)[0]
        elif each.name in numbers:
            values[each.name] = Coordinate(each).value(numbers[each.name])
    return values
