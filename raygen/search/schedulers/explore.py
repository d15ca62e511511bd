"""Which values may a trial go on with that has taken over another one's weights?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raygen.config.space import Choice, Domain, Parameter, Value

RESAMPLED = 0.25
"""How often a value is drawn anew instead of being moved a little."""
FACTORS = (0.8, 1.2)


def mutated(
    values: Mapping[str, Value], parameters: tuple[Parameter, ...], rng: np.random.Generator
) -> dict[str, Value]:
    """Move each mutable value a little, or draw it anew (Jaderberg et al. 2017, appendix A.2).

    Args:
        values: The active values of a trial.
        parameters: Those that may change; who is not active stays so.
        rng: Draws.

    Returns:
        Active values, each in its domain.
    """
    return dict(values) | {
        each.name: _moved(each.domain, values[each.name], rng)
        for each in parameters
        if each.name in values
    }


def _moved(domain: Domain, value: Value, rng: np.random.Generator) -> Value:
    if rng.random() < RESAMPLED:
        return domain.sample(rng)
    up = bool(rng.integers(2))
    if isinstance(domain, Choice):
        return _neighbour(domain.options, value, up)
    wanted = _scaled(float(value), domain.low, domain.high, up)
    if isinstance(domain, Choice) or domain.size is None:
        return min(max(wanted, domain.low), domain.high)
    step = domain.step or 1
    places = round((wanted - domain.low) / step) - round((float(value) - domain.low) / step)
    if places == 0:  # a fifth is less than a step
        places = 1 if up else -1
    place = round((float(value) - domain.low) / step) + places
    place = min(max(place, 0), domain.size - 1)
    if isinstance(domain.low, int) and isinstance(step, int):
        return domain.low + place * step
    return float(min(float(f"{domain.low + place * step:.12g}"), domain.high))


def _scaled(value: float, low: float, high: float, up: bool) -> float:
    """A fifth more or less; of the width where values may be zero or less."""
    if low > 0:
        return value * FACTORS[up]
    return value + (high - low) * (FACTORS[up] - 1)


def _neighbour(options: tuple[Value, ...], value: Value, up: bool) -> Value:
    at = next(place for place, option in enumerate(options) if option is value or option == value)
    return options[min(max(at + (1 if up else -1), 0), len(options) - 1)]
