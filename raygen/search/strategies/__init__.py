"""The table of search strategies: who proposes the next candidate.

To add one, write a class with ``ask`` and ``tell`` and name it here.
"""

from __future__ import annotations

import importlib
from typing import Any, Protocol

from raygen.config.space import Space
from raygen.errors import EnvironmentProblem


class Strategy(Protocol):
    """Proposes values and learns from their scores.

    All its randomness depends on the seed and on how many values it has been asked for, so that
    a strategy that is told an earlier run's trials goes on as that run would have gone on.
    """

    def ask(self) -> dict[str, Any] | None:
        """The active values of the next candidate; None when the space is exhausted."""

    def tell(self, values: dict[str, Any], score: float | None) -> None:
        """Learn how a candidate did: higher is better; None if it failed.

        The values may come from an earlier run and need not have been asked for here.
        """

    def skip(self, asked: int) -> None:
        """Go on as if so many candidates had been asked for already."""


STRATEGIES: dict[str, str] = {
    "random": "raygen.search.strategies.random:Random",
    "grid": "raygen.search.strategies.grid:Grid",
    "hyperopt": "raygen.search.strategies.hyperopt:Hyperopt",
}
"""Name in the YAML to the class, imported only when chosen."""


def load_strategy(name: str, space: Space, seed: int) -> Strategy:
    """Make a strategy for a space.

    Raises:
        EnvironmentProblem: Its library is not installed.
    """
    module, _, attribute = STRATEGIES[name].partition(":")
    try:
        strategy: Strategy = getattr(importlib.import_module(module), attribute)(space, seed)
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            f"search.algorithm: {name} needs the package {error.name}",
            remedy=f"type pip install {error.name}",
        ) from error
    return strategy
