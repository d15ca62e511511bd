"""Searches, ranks and writes plain models from one YAML file.

Example:
    >>> import raygen
    >>> result = raygen.generate("config.yaml", ["search.trials=8"])
    >>> result.leaderboard["entries"][0]["mean"]
    0.982
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Result",
    "finetune",
    "generate",
    "load_dataset",
    "load_experiment",
    "load_space",
    "plan_run",
]

if TYPE_CHECKING:
    from raygen.config.load import load_experiment
    from raygen.config.spaces import load_space
    from raygen.data.arrays import load_dataset
    from raygen.pipeline import Result, finetune, generate
    from raygen.plan import plan_run

_HOMES = {
    "Result": "raygen.pipeline",
    "finetune": "raygen.pipeline",
    "generate": "raygen.pipeline",
    "load_dataset": "raygen.data.arrays",
    "load_experiment": "raygen.config.load",
    "load_space": "raygen.config.spaces",
    "plan_run": "raygen.plan",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that ``import raygen`` is instant."""
    if name not in _HOMES:
        raise AttributeError(f"module 'raygen' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
