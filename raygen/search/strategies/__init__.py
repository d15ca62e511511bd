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
    needs: tuple[str, ...] = ()
    """Modules it imports that RayGen does not bring along."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Handed to the class as ``terms.options``."""
    conditions: bool = True
    """Whether parameters may depend on others."""
    choices: bool = True
    """Whether parameters may be lists of options."""
    objectives: bool = False
    """Whether it searches for a Pareto front of several objectives."""
    learns: bool = True
    """Whether scores change what is proposed."""
    seeded: bool = True
    """Whether there is chance in it; what has none ends when it has tried everything."""
    costly: bool = False
    """Whether a proposal takes tenths of a second or more."""
    acquisitions: tuple[str, ...] = ()
    """What ``search.acquisition`` may be; the first is the default."""


_IN = "raygen.search.strategies"

STRATEGIES: dict[str, Row] = {
    "random": Row(loads=f"{_IN}.random:Random", objectives=True, learns=False),
    "grid": Row(loads=f"{_IN}.grid:Grid", objectives=True, learns=False, seeded=False),
    "sobol": Row(loads=f"{_IN}.sobol:Sobol", objectives=True, learns=False),
    "hyperopt": Row(loads=f"{_IN}.hyperopt:Hyperopt"),
    "hyperopt-adaptive": Row(
        loads=f"{_IN}.atpe:AdaptiveHyperopt",
        package="'raygen[hyperopt-adaptive]'",
        needs=("lightgbm",),
        costly=True,
    ),
    "hyperopt-anneal": Row(loads=f"{_IN}.hyperopt:Annealing"),
    "skopt-gp": Row(
        loads=f"{_IN}.skopt:Skopt",
        package="'raygen[skopt]'",
        needs=("skopt",),
        options={"model": "GP", "limit": 150},
        acquisitions=("hedge", "EI", "LCB", "PI"),
        costly=True,
    ),
    "skopt-trees": Row(
        loads=f"{_IN}.skopt:Skopt",
        package="'raygen[skopt]'",
        needs=("skopt",),
        options={"model": "ET", "limit": 300},
        acquisitions=("EI", "LCB", "PI"),
        costly=True,
    ),
    "skopt-boosting": Row(
        loads=f"{_IN}.skopt:Skopt",
        package="'raygen[skopt]'",
        needs=("skopt",),
        options={"model": "GBRT", "limit": 300},
        acquisitions=("EI", "LCB", "PI"),
        costly=True,
    ),
    "bayesopt": Row(
        loads=f"{_IN}.bayesopt:BayesOpt",
        package="'raygen[bayesopt]'",
        needs=("bayes_opt",),
        acquisitions=("UCB", "EI", "PI"),
        costly=True,
    ),
    "optuna-tpe": Row(
        loads=f"{_IN}.optuna:TPE", package="'raygen[optuna]'", needs=("optuna",), objectives=True
    ),
    "optuna-gp": Row(
        loads=f"{_IN}.optuna:GP",
        package="'raygen[optuna,torch]'",
        needs=("optuna", "torch"),
        objectives=True,
        costly=True,
    ),
    "optuna-cmaes": Row(
        loads=f"{_IN}.optuna_evolution:CMAES",
        package="'raygen[optuna]'",
        needs=("optuna",),
        conditions=False,
        choices=False,
    ),
    "optuna-nsga2": Row(
        loads=f"{_IN}.optuna_evolution:NSGAII",
        package="'raygen[optuna]'",
        needs=("optuna",),
        objectives=True,
    ),
    "optuna-nsga3": Row(
        loads=f"{_IN}.optuna_evolution:NSGAIII",
        package="'raygen[optuna]'",
        needs=("optuna",),
        objectives=True,
    ),
    "evolution": Row(loads=f"{_IN}.evolution:Evolution", objectives=True),
    "reinforce": Row(loads=f"{_IN}.reinforce:Reinforce"),
    "bohb": Row(loads=f"{_IN}.bohb:BOHB"),
    "gp": Row(loads=f"{_IN}.gp:GP"),
    "auto": Row(loads=f"{_IN}.auto:auto", objectives=True),
}
"""Name in the YAML to its row."""


def load_strategy(name: str, terms: Terms) -> Strategy:
    """Make a strategy for a search.

    Raises:
        EnvironmentProblem: Its library is not installed.
    """
    row = STRATEGIES[name]
    module, _, attribute = row.loads.partition(":")
    usual = {"acquisition": row.acquisitions[0]} if row.acquisitions else {}
    terms = replace(terms, options={**usual, **row.options, **terms.options})
    try:
        strategy: Strategy = getattr(importlib.import_module(module), attribute)(terms)
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            f"search.algorithm: {name} needs the package {error.name}",
            remedy=f"type pip install {row.package or error.name}",
        ) from error
    return strategy
