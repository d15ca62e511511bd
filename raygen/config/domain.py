"""Which values may a parameter take: a range of numbers, or a list of options.

``Float(1e-4, 1e-1, log=True).sample(rng)`` draws a learning rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

from raygen.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

Value: TypeAlias = bool | int | float | str
"""What a parameter may be: always a plain Python value, never one of numpy."""


@dataclass(frozen=True)
class Float:
    """A real number from ``low`` to ``high``, both included.

    Raises:
        ConfigError: The range is inverted, not finite, or not possible on a log scale.
    """

    low: float
    high: float
    log: bool = False
    """Whether each power of ten is as likely as the next."""
    step: float | None = None
    """Distance between neighbours, counted from ``low``; None for any value."""

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.log, is_number)
        if self.step is not None:
            _check_step(self.step, self.log, is_number)

    def __str__(self) -> str:
        return _range_text(self.low, self.high, self.log, self.step)

    @property
    def size(self) -> int | None:
        """Number of different values; None for a continuous range."""
        if self.low == self.high:
            return 1
        # half a millionth of a step forgives what binary fractions lose
        return None if self.step is None else int((self.high - self.low) / self.step + 5e-7) + 1

    def contains(self, value: object) -> bool:
        """Tell whether a value lies in the range (and on a step)."""
        if not is_number(value) or not self.low <= value <= self.high:
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return abs(steps - round(steps)) < 1e-6

    def sample(self, rng: np.random.Generator) -> float:
        """Draw a value, uniformly (on the log scale if ``log``)."""
        if self.size is not None:
            return self._nth(int(rng.integers(self.size)))
        return self._at(float(rng.random()))

    def grid(self, points: int) -> tuple[float, ...]:
        """List all values of a stepped range, or ``points`` spread over a continuous one."""
        if self.size is not None:
            return tuple(self._nth(index) for index in range(self.size))
        return tuple(dict.fromkeys(self._at(share) for share in _shares(points)))

    def _nth(self, index: int) -> float:
        # 12 digits: 0.1 + 2 * 0.1 is 0.3, not 0.30000000000000004
        value = float(f"{self.low + index * (self.step or 0.0):.12g}") if index else self.low
        return float(min(value, self.high))

    def _at(self, share: float) -> float:
        value = _between(self.low, self.high, share, self.log)
        return float(min(max(value, self.low), self.high))


@dataclass(frozen=True)
class Int:
    """A whole number from ``low`` to ``high``, both included.

    Raises:
        ConfigError: The range is inverted, not whole, or not possible on a log scale.
    """

    low: int
    high: int
    log: bool = False
    """Whether each doubling is as likely as the next."""
    step: int = 1
    """Distance between neighbours, counted from ``low``."""

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.log, is_whole)
        _check_step(self.step, self.log and self.step != 1, is_whole)

    def __str__(self) -> str:
        return _range_text(self.low, self.high, self.log, None if self.step == 1 else self.step)

    @property
    def size(self) -> int:
        """Number of different values."""
        return (self.high - self.low) // self.step + 1

    def contains(self, value: object) -> bool:
        """Tell whether a value lies in the range and on a step."""
        return (
            is_whole(value)
            and self.low <= value <= self.high
            and (value - self.low) % self.step == 0
        )

    def sample(self, rng: np.random.Generator) -> int:
        """Draw a value, uniformly (on the log scale if ``log``)."""
        if self.log:
            return self._at(float(rng.random()))
        return self.low + self.step * int(rng.integers(self.size))

    def grid(self, points: int) -> tuple[int, ...]:
        """List all values; on a log scale at most ``points`` spread over the range."""
        if self.log and self.size > points:
            ends = (_between(self.low, self.high, share, True) for share in _shares(points))
            return tuple(dict.fromkeys(round(value) for value in ends))
        return tuple(range(self.low, self.high + 1, self.step))

    def _at(self, share: float) -> int:
        # half a step beyond both ends, so that the ends are as likely as their neighbours
        value = round(_between(self.low - 0.5, self.high + 0.5, share, True))
        return min(max(value, self.low), self.high)


@dataclass(frozen=True)
class Choice:
    """One of a list of options.

    Raises:
        ConfigError: There are no options, or one is given twice.
    """

    options: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.options:
            raise ConfigError("no options given", must="a choice must have at least one option")
        for index, option in enumerate(self.options):
            if not isinstance(option, (bool, int, float, str)):
                raise ConfigError(
                    f"option {option!r} given", must="an option must be a number, a text or a bool"
                )
            if isinstance(option, float) and not math.isfinite(option):
                raise ConfigError(f"option {option!r} given", must="a number must be finite")
            if any(same(option, other) for other in self.options[:index]):
                raise ConfigError(
                    f"option {option!r} given twice", must="options must differ from each other"
                )

    def __str__(self) -> str:
        return " | ".join(map(str, self.options))

    @property
    def size(self) -> int:
        """Number of options."""
        return len(self.options)

    def contains(self, value: object) -> bool:
        """Tell whether a value is one of the options."""
        return any(same(value, option) for option in self.options)

    def sample(self, rng: np.random.Generator) -> Value:
        """Draw an option, each as likely as the next."""
        return self.options[int(rng.integers(len(self.options)))]

    def grid(self, points: int) -> tuple[Value, ...]:
        """List all options."""
        return self.options


Domain: TypeAlias = Float | Int | Choice


def same(one: object, other: object) -> bool:
    """Tell whether two plain values are the same; ``True`` is not 1, but 1.0 is 1."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def words_of(domain: Domain) -> str:
    """Say which values a domain has."""
    if isinstance(domain, Choice):
        return f"one of {', '.join(str(option) for option in domain.options)}"
    kind = "a whole number" if isinstance(domain, Int) else "a number"
    step = f" in steps of {domain.step}" if domain.step not in (None, 1) else ""
    return f"{kind} from {domain.low} to {domain.high}{step}"


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether a value is a finite number; a bool is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def is_whole(value: object) -> TypeGuard[int]:
    """Tell whether a value is a whole number a float can hold; a bool is not."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53


def _check_range(
    low: object, high: object, log: bool, is_kind: Callable[[object], TypeGuard[float]]
) -> None:
    for bound in (low, high):
        if not is_kind(bound):
            kind = "whole" if is_kind is is_whole else "finite"
            raise ConfigError(f"{bound!r} given", must=f"both bounds must be {kind} numbers")
    if not low <= high:  # type: ignore[operator]
        raise ConfigError(
            f"[{low}, {high}] given",
            must="low <= high must hold",
            remedy=f"write [{high}, {low}]",
        )
    if log and not low > 0:  # type: ignore[operator]
        raise ConfigError(
            f"log: true with [{low}, {high}] given",
            must="low > 0 must hold on a log scale",
            remedy="raise low or leave out log",
        )


def _check_step(step: object, log: bool, is_kind: Callable[[object], TypeGuard[float]]) -> None:
    kind = "whole" if is_kind is is_whole else "finite"
    if not is_kind(step) or step <= 0:
        raise ConfigError(f"step {step!r} given", must=f"step must be a {kind} number above 0")
    if log:
        raise ConfigError(
            "log: true and a step given",
            must="a range must have one of them at most",
            remedy="leave out log or step",
        )


def _shares(points: int) -> list[float]:
    """Spread points evenly over 0..1; a single one stands in the middle."""
    return [index / (points - 1) for index in range(points)] if points > 1 else [0.5]


def _between(low: float, high: float, share: float, log: bool) -> float:
    if log:
        return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return low + share * (high - low)


def _range_text(low: float, high: float, log: bool, step: float | None) -> str:
    steps = "" if step is None else f" in steps of {step:g}"
    return f"{low:g} to {high:g}{steps}{' (log)' if log else ''}"
