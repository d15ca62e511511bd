"""Where does a value lie along its parameter's axis, and what stands beside the axis?"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raygen.config.domain import Choice, Domain, same

Tick = tuple[float, str]


def place_of(value: object, domain: Domain) -> float:
    """A value's place between 0 (lowest or first) and 1, logarithmic where its domain is.

    Options lie in the middle of equal parts. What is not in the domain, or not active (None), has
    no place: NaN.
    """
    if not domain.contains(value):
        return math.nan
    if isinstance(domain, Choice):
        index = next(i for i, option in enumerate(domain.options) if same(option, value))
        return (index + 0.5) / len(domain.options)
    return _share(float(value), domain)  # type: ignore[arg-type]  # contains() said so


def places_of(values: Iterable[object], domain: Domain) -> NDArray[np.float64]:
    """The places of many values."""
    return np.array([place_of(value, domain) for value in values], dtype=float)


def ticks_of(domain: Domain, *, most: int, letters: int = 12) -> list[Tick]:
    """Places and texts for an axis: both ends of a range and what is round between them.

    Args:
        domain: Of the parameter.
        most: Ticks there is room for.
        letters: Letters there is room for in all texts together.
    """
    if isinstance(domain, Choice):
        options = domain.options
        every = math.ceil(len(options) / most)
        room = max(letters * every // len(options), 3)
        return [
            ((index + 0.5) / len(options), shortened(str(option), room))
            for index, option in enumerate(options)
            if index % every == 0
        ]
    kept: list[Tick] = []
    for value in (domain.low, domain.high, *_round_values(domain, most)):
        at = _share(float(value), domain)
        if all(abs(at - other) >= 0.8 / most for other, _ in kept):
            kept.append((at, number_text(value)))
    return sorted(kept)


def number_text(value: float) -> str:
    """A number of an axis: few digits, no needless zeros."""
    if float(value).is_integer() and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def shortened(text: str, most: int) -> str:
    """A text of at most so many letters; what is cut out of its middle becomes one."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    tail = (most - 1) // 3
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"


def _share(value: float, domain: Any) -> float:
    low, high = float(domain.low), float(domain.high)
    if low == high:
        return 0.5
    if domain.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def _round_values(domain: Any, most: int) -> list[float]:
    from matplotlib.ticker import MaxNLocator  # slow to import

    low, high = float(domain.low), float(domain.high)
    if domain.log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        digits = [(1,), (1, 2, 5)][len(powers) <= 4]
        # tens first: between them there may be no room
        found = sorted((d, d * 10.0**p) for p in powers for d in digits)
        values = [value for _, value in found]
    else:
        steps = MaxNLocator(most, steps=[1, 2, 2.5, 5, 10], integer=isinstance(domain.low, int))
        values = [float(f"{v:.9g}") for v in steps.tick_values(low, high)]
    return [value for value in values if low < value < high]
