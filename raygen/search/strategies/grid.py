"""Tries every combination of the parameters' values, and then ends the search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from raygen.config.space import Parameter
from raygen.search.strategies.strategy import Strategy, Terms, Values

POINTS = 3
"""Values taken from a continuous range."""


class Grid(Strategy):
    """All combinations of active parameters, the last parameter changing fastest."""

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self._candidates = _combinations(terms.space.parameters, {})

    def propose(self) -> Values | None:
        """The next combination; None after the last."""
        return next(self._candidates, None)

    def skip(self, asked: int) -> None:
        """Go on behind the combinations of an earlier run."""
        super().skip(asked)
        for _ in range(asked):
            next(self._candidates, None)


def _combinations(
    parameters: tuple[Parameter, ...], chosen: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    if not parameters:
        yield dict(chosen)
        return
    first, rest = parameters[0], parameters[1:]
    if not first.is_active(chosen):
        yield from _combinations(rest, chosen)
        return
    for value in first.domain.grid(POINTS):
        yield from _combinations(rest, {**chosen, first.name: value})
