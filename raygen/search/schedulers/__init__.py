"""The table of schedulers: who ends a weak trial early, pauses it, or has it learn from a better.

To add one, write a function from ``SchedulerTerms`` to a Ray Tune scheduler in a module of this
folder and name it here. Nothing of Ray is loaded until a scheduler is chosen.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raygen.search.schedulers import rungs
from raygen.search.schedulers.terms import Mover, SchedulerTerms
from raygen.search.schedulers.warm import keep_warm

if TYPE_CHECKING:
    from ray.tune.schedulers import TrialScheduler

__all__ = [
    "SCHEDULERS",
    "Mover",
    "Row",
    "SchedulerTerms",
    "keep_warm",
    "load_scheduler",
    "milestones",
    "pool_size",
]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One scheduler: where it is, what it needs, and when it may pause a trial."""

    loads: str
    """``module:function``, imported only when chosen."""
    milestones: Callable[[SchedulerTerms], tuple[int, ...]] = rungs.never
    """The epochs at which a trial may be paused or copied, so that its checkpoint must be held."""
    pauses: bool = False
    """Whether trials are paused and go on from their checkpoints."""
    mutates: bool = False
    """Whether values change while a trial trains; all trials are then proposed at once."""
    objectives: bool = False
    """Whether it compares trials by several objectives."""
    least_epochs: int = 1
    """With fewer epochs there is nothing to decide."""
    reuses_workers: bool = True
    """Whether a worker may take any trial; not where trials differ in what they need."""


_IN = "raygen.search.schedulers"

SCHEDULERS: dict[str, Row] = {
    "fifo": Row(loads=f"{_IN}.fifo:fifo", objectives=True),
    "asha": Row(loads=f"{_IN}.asha:asha", objectives=True, least_epochs=2),
    "asha-promote": Row(
        loads=f"{_IN}.promote:promoting_asha",
        milestones=rungs.halving,
        pauses=True,
        least_epochs=2,
    ),
    "hyperband": Row(
        loads=f"{_IN}.hyperband:hyperband", milestones=rungs.rounds, pauses=True, least_epochs=3
    ),
    "bohb": Row(
        loads=f"{_IN}.hyperband:bohb", milestones=rungs.rounds, pauses=True, least_epochs=3
    ),
    "median": Row(loads=f"{_IN}.median:median", least_epochs=2),
    "pbt": Row(
        loads=f"{_IN}.population:pbt",
        milestones=rungs.tenths,
        pauses=True,
        mutates=True,
        least_epochs=2,
    ),
    "pb2": Row(
        loads=f"{_IN}.bandit:pb2",
        milestones=rungs.tenths,
        pauses=True,
        mutates=True,
        least_epochs=2,
    ),
    "extrapolate": Row(loads=f"{_IN}.extrapolate:extrapolate", least_epochs=5),
    "resources": Row(
        loads=f"{_IN}.resources:resources",
        milestones=rungs.tenths,
        pauses=True,
        reuses_workers=False,
        least_epochs=2,
    ),
}
"""Name in the YAML to its row."""


def load_scheduler(name: str, terms: SchedulerTerms) -> TrialScheduler:
    """Make a scheduler for a search; Ray Tune tells it the metric's name and direction."""
    module, _, function = SCHEDULERS[name].loads.partition(":")
    return getattr(importlib.import_module(module), function)(terms)


def milestones(name: str, terms: SchedulerTerms) -> tuple[int, ...]:
    """The epochs, ascending and before the last, after which a checkpoint must be held."""
    return SCHEDULERS[name].milestones(terms)


def pool_size(name: str, terms: SchedulerTerms) -> int | None:
    """How many trials may be neither ended nor running at a time; None for as many as it takes.

    A population is proposed at once, so that the first to be compared finds the others; who
    pauses trials may have any number of them asleep; everybody else has what runs.
    """
    row = SCHEDULERS[name]
    if row.mutates:
        return terms.trials or max(2 * terms.workers, 8)
    return None if row.pauses else terms.workers
