"""The ranked candidates: as records, as the JSON that machines read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from raygen.runs.records import History
from raygen.tasks.task import Mode


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of the leaderboard."""

    rank: int
    trial_id: str
    candidate: dict[str, Any]
    source_sha: str
    mean: float
    """Of the metric over the folds."""
    std: float | None
    """Standard deviation over the folds, with k - 1 in the denominator; None of a single score."""
    folds: tuple[float, ...]
    """The scores; of a task without folds, those of its repeats."""
    num_parameters: int
    seconds: float
    """Training time of all folds together."""
    interval: tuple[float, float] | None = None
    """95 % interval of the mean over repeats; None over folds, whose scores are not independent."""


def rank_entries(history: History, trial_ids: Sequence[str], *, num_folds: int) -> list[Entry]:
    """Order the trials by their mean over the folds, best first.

    A trial with a fold that failed or is missing is left out: the mean of the others would
    flatter it.
    """
    metric = history.metric
    sign = 1 if history.mode == "max" else -1
    scored = []
    for trial_id in trial_ids:
        results = [result for (tid, _), result in sorted(history.folds.items()) if tid == trial_id]
        if len(results) < num_folds or any(result.state.has_failed() for result in results):
            continue
        scored.append((trial_id, results))
    scored.sort(key=lambda pair: -sign * float(np.mean([r.metrics[metric] for r in pair[1]])))
    entries = []
    for place, (trial_id, results) in enumerate(scored, start=1):
        trial = history.trials[trial_id]
        values = [float(result.metrics[metric]) for result in results]
        entries.append(
            Entry(
                rank=place,
                trial_id=trial_id,
                candidate=dict(trial.current),
                source_sha=trial.source_sha,
                mean=float(np.mean(values)),
                std=float(np.std(values, ddof=1)),
                folds=tuple(values),
                num_parameters=trial.num_parameters,
                seconds=round(sum(result.seconds for result in results), 3),
            )
        )
    return entries


def leaderboard_json(
    name: str,
    metric: str,
    entries: Sequence[Entry],
    test: dict[str, Any],
    *,
    mode: Mode,
    front: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """What ``raygen show --json`` prints and ``leaderboard.json`` holds.

    ``front`` is there only if the search had several objectives.
    """
    return {
        "name": name,
        "metric": metric,
        "mode": mode,
        "entries": [_plain(entry) for entry in entries],
        "test": test,
        **({"front": list(front)} if front else {}),
    }


def _plain(entry: Entry) -> dict[str, Any]:
    """An entry for JSON; an interval is there only where repeats give one."""
    told = asdict(entry) | {"folds": list(entry.folds)}
    interval = told.pop("interval")
    return told if interval is None else told | {"interval": list(interval)}
