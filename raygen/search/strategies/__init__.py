"""The table of search strategies: who proposes the next candidate.

To add one, write a subclass of ``Strategy`` in a module of this folder and name it here.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from raygen.errors import EnvironmentProblem
from raygen.search.strategies.strategy import Strategy, Terms


@dataclass(frozen=True, kw_only=True)
class Row:
    """One strategy: where it is, what it needs, and what it can represent."""

    loads: str
    """``module:class``, imported only when chosen."""
    package: str = ""
    """What to install for it, beside what RayGen brings along."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Handed to the class as ``terms.options``."""
    conditions: bool = True
    """Whether parameters may depend on others."""
    choices: bool = True
    """Whether parameters may be lists of options."""
    objectives: bool = False
    """Whether it searches for a Pareto front of several objectives."""
    acquisitions: tuple[str, ...] = ()
    """What ``search.acquisition`` may be; the first is the default."""


_IN = "raygen.search.strategies"

STRATEGIES: dict[str, Row] = {
    "random": Row(loads=f"{_IN}.random:Random", objectives=True),
    "grid": Row(loads=f"{_IN}.grid:Grid", objectives=True),
    "hyperopt": Row(loads=f"{_IN}.hyperopt:Hyperopt"),
}
"""Name in the YAML to its row."""


def load_strategy(name: str, terms: Terms) -> Strategy:
    """Make a strategy for a search.

    Raises:
        EnvironmentProblem: Its library is not installed.
    """
    row = STRATEGIES[name]
    module, _, attribute = row.loads.partition(":")
    terms = replace(terms, options={**row.options, **terms.options})
    try:
        strategy: Strategy = getattr(importlib.import_module(module), attribute)(terms)
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            f"search.algorithm: {name} needs the package {error.name}",
            remedy=f"type pip install {row.package or error.name}",
        ) from error
    return strategy
