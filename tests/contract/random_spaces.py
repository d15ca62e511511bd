"""Search spaces drawn by a seed: mixed domains, nested conditions, scales, steps, single values."""

from __future__ import annotations

from typing import Any

import numpy as np

from raygen.config.space import Choice, Condition, Domain, Float, Int, Parameter, Space

OPTIONS: tuple[tuple[Any, ...], ...] = (
    ("adamw", "sgd"),
    (True, False),
    (1, 2.5, "three", False),
    (16, 32, 64, 128, 256),
    ("only",),
)


def random_space(seed: int, *, conditions: bool = True, choices: bool = True) -> Space:
    """A space of one to seven parameters; about half of those that may have conditions do."""
    rng = np.random.default_rng((seed, 2026))
    parameters: list[Parameter] = []
    for index in range(int(rng.integers(1, 8))):
        domain = _domain(rng, choices=choices)
        when = _condition(rng, parameters) if conditions and rng.random() < 0.5 else None
        parameters.append(Parameter(f"p{index}", domain, when=when))
    return Space(f"random {seed}", (), parameters=tuple(parameters))


def _domain(rng: np.random.Generator, *, choices: bool) -> Domain:
    kind = int(rng.integers(10 if choices else 7))
    low = float(rng.uniform(-3, 3))
    match kind:
        case 0:
            return Float(low, low + float(rng.choice([1e-3, 1.0, 1e4])))
        case 1:
            return Float(
                10.0 ** int(rng.integers(-6, 0)), 10.0 ** int(rng.integers(0, 4)), log=True
            )
        case 2:
            return Float(0.5, 0.5 + 0.1 * int(rng.integers(1, 6)), step=0.1)
        case 3:
            return Int(-4, int(rng.integers(-3, 300)))
        case 4:
            return Int(2, int(rng.integers(3, 2000)), log=True)
        case 5:
            return Int(8, 45, step=8)
        case 6:
            return (Float(0.25, 0.25), Int(3, 3), Float(0.1, 0.1, log=True))[rng.integers(3)]
        case _:
            return Choice(OPTIONS[rng.integers(len(OPTIONS))])


def _condition(rng: np.random.Generator, earlier: list[Parameter]) -> Condition | None:
    """On one or two values of an earlier parameter, which may itself have a condition."""
    parents = [each for each in earlier if each.domain.size is not None]
    if not parents:
        return None
    parent = parents[rng.integers(len(parents))]
    values = parent.domain.grid(3)
    picked = rng.choice(len(values), size=min(len(values), int(rng.integers(1, 3))), replace=False)
    return Condition(parent.name, tuple(values[index] for index in picked))
