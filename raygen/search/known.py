"""What does a search know before it begins: `search.start_from`, as candidates and as scores?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from raygen.config.space import Space, Value
from raygen.errors import ConfigError
from raygen.execute.run import Run
from raygen.interchange.known import KnownCandidate, fits, fitting, read_candidates
from raygen.runs.journal import read_events
from raygen.runs.paths import RunPaths
from raygen.runs.records import History
from raygen.search.strategies.strategy import Scores

_SHARE = 5
"""At most a fifth of the trials is spent on what others found good."""


def first_candidates(run: Run) -> list[dict[str, Value]]:
    """The candidates to try first: those written down, then the best of each source.

    Values that a mapping leaves out are drawn; candidates that do not fit the space are left out.

    Raises:
        ConfigError: A source cannot be read, or nothing in it fits the space.
    """
    space, where = run.blueprint.space, run.experiment.origin.where
    most = max((run.experiment.search.trials or 5) // _SHARE, 1)
    found: list[dict[str, Value]] = []
    for place, source in enumerate(run.experiment.search.start_from):
        key = where(f"search.start_from[{place}]")
        if isinstance(source, Mapping):
            found.append(_completed(space, source, seed=(run.experiment.seed, place), where=key))
            continue
        known = fitting(space, read_candidates(source)).kept
        if not known:
            raise ConfigError(
                f"{source!r} given",
                where=key,
                must="at least one of its candidates must fit the space",
                remedy="type raygen show on that run, and compare its values with the space",
            )
        found += [dict(each.values) for each in _best(known)[:most]]
    return found


def known_scores(run: Run) -> list[tuple[dict[str, Value], Scores]]:
    """What earlier runs of the same data, metrics and epochs measured; it is not measured again."""
    found: list[tuple[dict[str, Value], Scores]] = []
    for source in run.experiment.search.start_from:
        journal = RunPaths(Path(source)).journal if isinstance(source, str) else None
        if journal is None or not journal.exists():
            continue
        history = History.read(journal)
        if _same(run, read_events(journal), history):
            found += [
                (dict(trial.values), scores)
                for trial in history.trials.values()
                if trial.state.is_over()
                and trial.epoch == run.experiment.search.max_epochs
                and fits(run.blueprint.space, trial.values)
                and (scores := history.scores(trial)) is not None
            ]
    return found


def _same(run: Run, events: Sequence[Mapping[str, Any]], other: History) -> bool:
    """Whether another run's scores mean what this run's do."""
    begun = [event for event in events if event["event"] == "begin"]
    own = [event for event in read_events(run.paths.journal) if event["event"] == "begin"]
    same_data = bool(begun and own) and begun[-1]["data_sha"] == own[-1]["data_sha"]
    return same_data and other.objectives == run.history.objectives


def _completed(
    space: Space, given: Mapping[str, Any], *, seed: tuple[int, ...], where: str
) -> dict[str, Value]:
    """Fill in what a mapping leaves out."""
    rng = np.random.default_rng((*seed, 2))
    values: dict[str, Value] = {}
    for each in space.parameters:
        if each.is_active(values):
            drawn = each.domain.sample(rng)
            values[each.name] = given.get(each.name, drawn)
    unknown = [name for name in given if name not in values]
    if unknown or not fits(space, values):
        wrong = unknown or [name for name in given if not _holds(space, name, given[name])]
        raise ConfigError(
            f"{wrong[0]}: {given[wrong[0]]!r} given",
            where=where,
            must="it must be a value of an active parameter of the space",
            remedy="type raygen spaces NAME to see its parameters",
        )
    return values


def _holds(space: Space, name: str, value: object) -> bool:
    return any(each.name == name and each.domain.contains(value) for each in space.parameters)


def _best(known: Sequence[KnownCandidate]) -> list[KnownCandidate]:
    """Those with a score, best first; then the others."""
    scored = [each for each in known if each.score is not None]
    scored.sort(key=lambda each: (each.score or 0.0) * (-1 if each.mode == "max" else 1))
    return scored + [each for each in known if each.score is None]
