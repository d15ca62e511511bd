"""How good is each candidate over its repeats: mean, deviation and a 95 % interval?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raygen.errors import TrialError
from raygen.execute.run import Run
from raygen.rank.leaderboard import Entry
from raygen.runs.fronts import fronts
from raygen.runs.records import History, TrialRecord
from raygen.runs.spread import half_width, sample_std


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A candidate and the trials of it that were trained longest and have a score."""

    candidate: str
    values: dict[str, Any]
    trials: tuple[TrialRecord, ...]
    """By their repeat."""
    failed: int
    """Repeats of it that ended without a score."""

    @property
    def scores(self) -> tuple[float, ...]:
        """The last score of each trial."""
        return tuple(trial.curve[-1] for trial in self.trials)

    @property
    def epoch(self) -> int:
        """How long each was trained."""
        return self.trials[0].epoch

    @property
    def mean(self) -> float:
        """Of the scores."""
        return math.fsum(self.scores) / len(self.scores)

    @property
    def std(self) -> float | None:
        """Of the scores as a sample; None of a single one."""
        return sample_std(self.scores)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the mean of ever more repeats lies, with 95 % confidence; None of a single one."""
        half = half_width(self.scores)
        return None if half is None else (self.mean - half, self.mean + half)


def cells_of(history: History) -> list[Cell]:
    """The candidates with a score, best first.

    Candidates that were trained longest come first, of these those with most repeats, for a mean
    of few may flatter, and of these the best means; with several objectives those that no other
    beats in all of them come before the rest. Repeats that were stopped earlier than others of
    their candidate are left out of its mean.
    """
    by_candidate: dict[str, list[TrialRecord]] = {}
    for trial in history.trials.values():
        by_candidate.setdefault(trial.candidate, []).append(trial)
    cells = [cell for trials in by_candidate.values() if (cell := _cell(trials)) is not None]
    sign = 1 if history.mode == "max" else -1
    behind = _fronts(history, cells)
    return sorted(
        cells,
        key=lambda cell: (
            -cell.epoch,
            -len(cell.trials),
            behind[cell.candidate],
            -sign * cell.mean,
        ),
    )


def pareto_front(history: History) -> list[dict[str, Any]]:
    """The candidates trained longest that no other beats in all objectives; none of a single one.

    Returns:
        The trial and its scores by objective, as they were measured, best in the first one first.
    """
    cells = cells_of(history)
    if len(history.objectives) < 2 or not cells:
        return []
    behind = _fronts(history, cells)
    front = [c for c in cells if c.epoch == cells[0].epoch and not behind[c.candidate]]
    return [
        {
            "trial_id": cell.trials[0].trial_id,
            "scores": {
                objective.name: objective.sign * score
                for objective, score in zip(history.objectives, _point(history, cell), strict=True)
            },
        }
        for cell in front
    ]


def _fronts(history: History, cells: Sequence[Cell]) -> dict[str, int]:
    """How many fronts lie before each candidate, among those trained as long."""
    if len(history.objectives) < 2:
        return dict.fromkeys((cell.candidate for cell in cells), 0)
    found: dict[str, int] = {}
    for epoch in {cell.epoch for cell in cells}:
        same = [cell for cell in cells if cell.epoch == epoch]
        ranks = fronts(np.array([_point(history, cell) for cell in same], dtype=float))
        found |= {cell.candidate: int(rank) for cell, rank in zip(same, ranks, strict=True)}
    return found


def _point(history: History, cell: Cell) -> list[float]:
    """The means of the objectives over the repeats, higher being better."""
    scores = [history.scores(trial) or () for trial in cell.trials]
    return [math.fsum(each) / len(scores) for each in zip(*scores, strict=True)]


def rank_repeats(run: Run) -> list[Entry]:
    """The best candidates by what the search has measured; nothing more is trained.

    Only what can be compared is ranked: candidates trained as long, and as often, as the best.

    Raises:
        TrialError: No trial has a score.
    """
    cells = cells_of(run.history)
    if not cells:
        raise TrialError("no trial has a score yet", remedy="type raygen search")
    measured = (cells[0].epoch, len(cells[0].trials))
    cells = [cell for cell in cells if (cell.epoch, len(cell.trials)) == measured]
    cells = cells[: run.experiment.rank.top]
    return [_entry(place, cell) for place, cell in enumerate(cells, start=1)]


def _cell(trials: Sequence[TrialRecord]) -> Cell | None:
    scored = [trial for trial in trials if trial.is_scored()]
    if not scored:
        return None
    longest = max(trial.epoch for trial in scored)
    kept = sorted((t for t in scored if t.epoch == longest), key=lambda trial: trial.repeat)
    return Cell(
        candidate=kept[0].candidate,
        values=dict(kept[0].current),
        trials=tuple(kept),
        failed=sum(trial.state.has_failed() for trial in trials),
    )


def _entry(place: int, cell: Cell) -> Entry:
    first = cell.trials[0]
    return Entry(
        rank=place,
        trial_id=first.trial_id,
        candidate=cell.values,
        source_sha=first.source_sha,
        mean=cell.mean,
        std=cell.std,
        folds=cell.scores,
        num_parameters=first.num_parameters,
        seconds=round(sum(trial.seconds for trial in cell.trials), 3),
        interval=cell.interval,
    )
