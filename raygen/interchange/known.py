"""Which candidates does another run, study or list know, and how good were they?

``read_candidates("sqlite:///study.db")`` gives each with its values, its score and its direction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from raygen.config.space import Choice, Domain, Space, Value
from raygen.errors import ConfigError
from raygen.runs.paths import RunPaths
from raygen.runs.records import History

Mode = Literal["max", "min"]

_STORAGES = (".db", ".sqlite", ".sqlite3", ".log", ".journal")
_SOURCES = (
    "a RayGen run, an Optuna storage, a Ray Tune experiment, or a YAML or JSON list of values"
)


@dataclass(frozen=True)
class KnownCandidate:
    """What somebody else tried, or believes to be good."""

    values: Mapping[str, Value]
    score: float | None = None
    """Of its last epoch; None if it is not known."""
    mode: Mode = "max"
    """Whether a higher or a lower score is better."""


@dataclass(frozen=True)
class Fitting:
    """The candidates that fit a space."""

    kept: tuple[KnownCandidate, ...]
    skipped: int
    """How many do not fit."""


def read_candidates(source: str | Path) -> list[KnownCandidate]:
    """Read what a source knows; of several objectives the first is the score.

    Args:
        source: The folder of a RayGen run, an Optuna storage (a URL such as ``sqlite:///study.db``,
            or its file; ``#NAME`` behind it names the study if there are several), the folder of
            a Ray Tune experiment (``#METRIC:min`` behind it names the score), or a YAML or JSON
            file with a list of values.

    Raises:
        ConfigError: It is none of these, or cannot be read.
    """
    name, _, detail = str(source).partition("#")
    path = Path(name)
    if "://" in name or (path.is_file() and path.suffix in _STORAGES):
        from raygen.interchange.optuna_study import study_candidates  # needs optuna

        return study_candidates(name, study=detail or None)
    if RunPaths(path).journal.is_file():
        return _run_candidates(path)
    if path.is_dir():
        from raygen.interchange.tune_folder import tune_candidates

        return tune_candidates(path, detail)
    if path.is_file():
        return _listed_candidates(path)
    raise ConfigError(f"{name!r} given", where="known candidates", must=f"there must be {_SOURCES}")


def fits(space: Space, values: Mapping[str, Value]) -> bool:
    """Tell whether values are those of a candidate: all active parameters, each in its domain."""
    try:
        space.validate(values)
    except ConfigError:
        return False
    return True


def fitting(space: Space, known: Iterable[KnownCandidate], *, clip: bool = False) -> Fitting:
    """Keep the candidates that fit a space; values of names it does not have are dropped.

    Args:
        space: Where the candidates are to be tried.
        known: What others tried.
        clip: Whether numbers outside of a range are taken to its nearest value; otherwise their
            candidate is skipped.
    """
    kept, skipped = [], 0
    for each in known:
        values = dict(each.values)
        if clip:
            values |= {
                parameter.name: clipped(parameter.domain, values[parameter.name])
                for parameter in space.parameters
                if parameter.name in values
            }
        values = space.active(values)
        if fits(space, values):
            kept.append(replace(each, values=values))
        else:
            skipped += 1
    return Fitting(tuple(kept), skipped)


def clipped(domain: Domain, value: Value) -> Value:
    """Give the nearest value of a range; what is not a number, and options, stay as they are."""
    if isinstance(domain, Choice) or isinstance(value, (bool, str)) or domain.contains(value):
        return value
    if domain.size is None:
        return min(max(float(value), domain.low), domain.high)
    step = domain.step or 1
    places = round((min(max(value, domain.low), domain.high) - domain.low) / step)
    index = min(places, domain.size - 1)
    nearest = domain.low + index * step
    return nearest if isinstance(nearest, int) else float(f"{nearest:.12g}")


def _run_candidates(folder: Path) -> list[KnownCandidate]:
    """Scored trials of a run; repeats of a candidate are one, with their mean."""
    history = History.read(RunPaths(folder).journal)
    curves: dict[str, list[float]] = {}
    values: dict[str, Mapping[str, Value]] = {}
    for trial in history.trials.values():
        if trial.is_scored():
            curves.setdefault(trial.candidate, []).append(trial.curve[-1])
            values.setdefault(trial.candidate, trial.values)
    return [
        KnownCandidate(dict(values[name]), sum(last) / len(last), history.mode)
        for name, last in curves.items()
    ]


def _listed_candidates(path: Path) -> list[KnownCandidate]:
    """A list of mappings: the values themselves, or ``{values: ..., score: ..., mode: min}``."""
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = str(error).splitlines()[0]
        raise ConfigError(problem, where=str(path), must="it must be YAML or JSON") from None
    if not isinstance(given, list) or not given:
        must = "it must be a list with the values of at least one candidate"
        raise ConfigError(
            f"{type(given).__name__} found",
            where=str(path),
            must=must,
            remedy="for example `- {units: 32, learning_rate: 0.001}`",
        )
    return [_listed(each, f"{path}: [{place}]") for place, each in enumerate(given)]


def _listed(given: Any, where: str) -> KnownCandidate:
    scored = isinstance(given, dict) and isinstance(given.get("values"), dict)
    fields = given if scored else {"values": given}
    values, score, mode = fields["values"], fields.get("score"), fields.get("mode", "max")
    plain = isinstance(values, dict) and all(
        isinstance(name, str) and isinstance(value, (bool, int, float, str))
        for name, value in values.items()
    )
    if not plain or set(fields) - {"values", "score", "mode"}:
        must = "it must be a mapping of parameters to plain values"
        raise ConfigError(f"{given!r} given"[:80], where=where, must=must)
    if mode not in ("max", "min"):
        raise ConfigError(f"mode: {mode!r} given", where=where, must="it must be max or min")
    if score is not None and (isinstance(score, bool) or not isinstance(score, (int, float))):
        raise ConfigError(f"score: {score!r} given", where=where, must="it must be a number")
    return KnownCandidate(values, None if score is None else float(score), mode)
