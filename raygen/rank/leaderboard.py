"""The ranked candidates: as records, as the JSON that machines read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from raygen.rank.diagnosis import Diagnosis
from raygen.tasks.task import Mode


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the folds say of a candidate beside its mean."""

    tied: bool
    """Whether it cannot be told from the one with the best mean, with 95 % confidence."""
    folds_run: int
    """Folds it was scored on; fewer than all if the race was stopped for it."""
    posterior: Mapping[str, float] | None
    """How probably it is worse than the first, practically the same, and better; and the mean,
    scale and degrees of freedom of Student's t that says so. None of a single fold."""
    aicc: float | None
    """None where there is no likelihood, or as many parameters as rows."""
    bic: float | None
    diagnosis: tuple[Diagnosis, ...]


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
    """95 % interval of the mean, which over folds allows for their overlap; None of one score."""
    verdict: Verdict | None = None
    """None of repeats."""
    held_out: Mapping[str, Any] | None = None
    """What its predictions of held-out rows say; None where they are not kept."""


def leaderboard_json(
    name: str,
    metric: str,
    entries: Sequence[Entry],
    test: dict[str, Any],
    *,
    mode: Mode,
    front: Sequence[dict[str, Any]] = (),
    ranking: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What ``raygen show --json`` prints and ``leaderboard.json`` holds.

    ``front`` is there only if the search had several objectives; what is in ``ranking``, only if
    there were folds.
    """
    return {
        "name": name,
        "metric": metric,
        "mode": mode,
        "entries": [_plain(entry) for entry in entries],
        "test": test,
        **(ranking or {}),
        **({"front": list(front)} if front else {}),
    }


def _plain(entry: Entry) -> dict[str, Any]:
    """An entry for JSON; a verdict is there only where folds give one."""
    told = asdict(entry) | {"folds": list(entry.folds)}
    interval, verdict = told.pop("interval"), told.pop("verdict") or {}
    if told["held_out"] is None:
        del told["held_out"]
    told |= {} if interval is None else {"interval": list(interval)}
    return told | {n: list(v) if isinstance(v, tuple) else v for n, v in verdict.items()}
