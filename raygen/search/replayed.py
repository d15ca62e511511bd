"""What is known of a search that was replayed on a virtual clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from raygen.search.strategies.strategy import Values

Score: TypeAlias = "float | Sequence[float] | None"
Curve: TypeAlias = Callable[[Values], Sequence[Score]]
Step: TypeAlias = Callable[[Values, int, Any], tuple[Score, Any]]
Mode: TypeAlias = Literal["min", "max"]
Ended: TypeAlias = Literal["finished", "stopped", "nan", "lost"]


@dataclass(frozen=True, kw_only=True)
class ReplayedTrial:
    """One trial of a replayed search."""

    number: int
    values: Values
    """Those it began with."""
    curve: tuple[Any, ...]
    """Scores of the epochs it trained itself, in the given mode."""
    state: Ended
    began_s: float
    ended_s: float
    epoch: int
    """Its step counter at the end; more than the length of the curve after a move."""
    schedule: tuple[tuple[int, Values], ...] = ()
    """After which epochs it went on with which values; only of those that mutate."""


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A replayed search."""

    trials: tuple[ReplayedTrial, ...]
    """By number; each trial that was begun, once."""
    epochs: tuple[tuple[float, int, int, Any], ...]
    """(seconds on the virtual clock, trial, epoch, score) in the order in which they were told."""
    moves: tuple[tuple[int, int, int], ...]
    """(recipient, donor, epoch) of those that mutate."""
    modes: tuple[Mode, ...]
    seconds: float
    """From the first start to the last end."""
    busy_s: float
    """Seconds of training, over all workers."""
    workers: int

    @property
    def utilisation(self) -> float:
        """The share of the workers' time that was spent on training."""
        return self.busy_s / (self.seconds * self.workers) if self.seconds else 0.0

    def best_over_epochs(self) -> NDArray[np.float64]:
        """The best score of any epoch (of the first objective) after 1, 2, ... epochs in all."""
        scores = [each[3] for each in self.epochs]
        firsts = np.array([s[0] if isinstance(s, tuple) else s for s in scores], float)
        worst = -math.inf if self.modes[0] == "max" else math.inf
        firsts[~np.isfinite(firsts)] = worst
        better = np.maximum if self.modes[0] == "max" else np.minimum
        best = better.accumulate(firsts) if len(firsts) else firsts
        return np.where(np.isfinite(best), best, math.nan)

    def best_over_seconds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The times at which epochs ended, and the best score until then."""
        return np.array([each[0] for each in self.epochs]), self.best_over_epochs()
