"""What did a Ray Tune experiment try, read from its folder without Ray?

Ray Tune 2.60 writes ``experiment_state-TIME.json`` and, unless its loggers are switched off, a
folder for each trial with ``params.json`` and ``result.json`` (one line for each report).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from raygen.config.space import Value
from raygen.errors import ConfigError
from raygen.interchange.known import KnownCandidate, Mode
from raygen.tasks.task import METRICS

_LOWER = ("loss", "error", "err", "mse", "mae", "rmse", "perplexity", "nll", "regret")
_HIGHER = ("acc", "auc", "f1", "r2", "score", "reward", "precision", "recall")


@dataclass(frozen=True)
class _Trial:
    config: Mapping[str, Any]
    result: Mapping[str, Any]
    """Of its last report."""


def tune_candidates(folder: Path, detail: str = "") -> list[KnownCandidate]:
    """Read the trials that did not fail; those without the metric have no score.

    Nested settings are joined by underscores: ``{"opt": {"name": "adam"}}`` is ``opt_name``.
    What is not a number, a text or a bool is left out.

    Args:
        folder: Of the experiment.
        detail: ``METRIC`` or ``METRIC:min``; by default the metric of the experiment's state, and
            the direction that its name suggests.

    Raises:
        ConfigError: It is no such folder, or the metric or its direction cannot be known.
    """
    states = sorted(folder.glob("experiment_state*.json"))
    state = _json(states[-1]) if states else {}
    trials = list(_trials(folder, state))
    if not trials:
        raise ConfigError(
            "no trial found",
            where=str(folder),
            must="it must be the folder of a RayGen run or of a Ray Tune experiment",
        )
    metric, _, mode = detail.partition(":")
    metric = metric or str((state.get("runner_data") or {}).get("_metric") or "")
    direction = _direction(metric, mode, trials, folder)
    return [
        KnownCandidate(dict(_plain(each.config)), _score(each.result, metric), direction)
        for each in trials
    ]


def _trials(folder: Path, state: Mapping[str, Any]) -> Iterator[_Trial]:
    """The trials in the state, and those that have a folder only."""
    seen = set()
    for stored in state.get("trial_data") or ():
        trial, metadata = (json.loads(part) if isinstance(part, str) else part for part in stored)
        name = trial.get("relative_logdir") or trial.get("trial_id", "")
        seen.add(name)
        if trial.get("status") != "ERROR" and isinstance(trial.get("config"), dict):
            # the state may be older than what the trial itself has written
            result = _last_result(folder / name) or metadata.get("last_result") or {}
            yield _Trial(trial["config"], result)
    for path in sorted(folder.glob("*/params.json")):
        if path.parent.name not in seen and not (path.parent / "error.txt").exists():
            yield _Trial(_json(path), _last_result(path.parent))


def _last_result(folder: Path) -> dict[str, Any]:
    path = folder / "result.json"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for line in reversed(lines):
        try:
            result = json.loads(line)
        except ValueError:  # cut off by a kill
            continue
        if isinstance(result, dict):
            return result
    return {}


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(
            f"not JSON: {error}", where=str(path), must="Ray Tune writes JSON"
        ) from None
    return found if isinstance(found, dict) else {}


def _plain(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Value]]:
    for name, value in config.items():
        if isinstance(value, dict):
            yield from _plain(value, f"{prefix}{name}_")
        elif isinstance(value, (bool, int, str)) or _is_finite(value):
            yield f"{prefix}{name}", value


def _score(result: Mapping[str, Any], metric: str) -> float | None:
    score = result.get(metric)
    return float(score) if _is_finite(score) else None


def _is_finite(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _direction(metric: str, mode: str, trials: list[_Trial], folder: Path) -> Mode:
    reported = sorted(
        {name for each in trials for name, value in each.result.items() if _is_finite(value)}
    )
    if not metric or (reported and metric not in reported):
        raise ConfigError(
            f"the metric {metric!r} given" if metric else "no metric given",
            where=str(folder),
            must=f"it must be one of {', '.join(reported)}",
            remedy=f"write {folder.name}#METRIC:min or {folder.name}#METRIC:max",
        )
    if mode in ("max", "min"):
        return "max" if mode == "max" else "min"
    if not mode and metric in METRICS:
        return METRICS[metric]
    if not mode and any(word in metric.lower() for word in _LOWER):
        return "min"
    if not mode and any(word in metric.lower() for word in _HIGHER):
        return "max"
    raise ConfigError(
        f"the direction {mode!r} of {metric} given" if mode else f"no direction of {metric} given",
        where=str(folder),
        must="it must be min or max",
        remedy=f"write {folder.name}#{metric}:min or {folder.name}#{metric}:max",
    )
