"""Which scores does a Gaussian process see, and on which scale?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from raygen.search.encoding import Array

_RUNG = 3.0
"""Of a curve the epochs at a third, a ninth, ... of its length are seen, and the latest."""


Row: TypeAlias = "tuple[int, int, float]"
"""Trial, epoch and score."""


@dataclass(frozen=True)
class Seen:
    """Scores of some epochs of some trials; NaN stands at the last epoch of those that failed."""

    trial: NDArray[np.int64]
    epoch: NDArray[np.int64]
    score: Array

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Seen:
        """From rows in the order in which they were seen."""
        trials, epochs, scores = zip(*rows, strict=True) if rows else ((), (), ())
        return cls(np.array(trials, int), np.array(epochs, int), np.array(scores, float))

    def at(self, rows: NDArray[np.int64]) -> Seen:
        """Some of them."""
        return Seen(self.trial[rows], self.epoch[rows], self.score[rows])

    @property
    def is_telling(self) -> bool:
        """Whether there are two different scores."""
        known = self.score[~np.isnan(self.score)]
        return len(known) > 1 and bool(np.ptp(known) > 0)


def rungs(most: int) -> frozenset[int]:
    """The last epoch, and a third, a ninth, ... of it, rounded up."""
    found, share = {most}, float(most)
    while share > 1:
        share /= _RUNG
        found.add(max(math.ceil(share), 1))
    return frozenset(found)


def choose(seen: Seen, most: int, rng: np.random.Generator) -> Seen:
    """Half of them the best of those trained longest, a quarter the newest, the rest drawn."""
    count = len(seen.trial)
    if count <= most:
        return seen
    score = np.where(np.isnan(seen.score), -np.inf, seen.score)
    kept = np.zeros(count, dtype=bool)
    kept[np.lexsort((-score, -seen.epoch))[: most // 2]] = True
    kept[-(most // 4) :] = True
    others = np.flatnonzero(~kept)
    kept[rng.permutation(others)[: most - int(kept.sum())]] = True
    return seen.at(np.flatnonzero(kept))


def standardised(seen: Seen, chosen: Seen) -> Array:
    """Scores as the process takes them: what is far below the median hardly differs.

    The scale is that of all that is seen, failures stand as low as the lowest score, and the
    result has mean 0 and variance 1 over what is seen.
    """
    known = seen.score[~np.isnan(seen.score)]
    median, lowest = np.median(known), known.min()
    scale = (np.quantile(known, 0.9) - median) or np.ptp(known)

    def bent(scores: Array) -> Array:
        above = (np.where(np.isnan(scores), lowest, scores) - median) / scale
        return np.where(above < 0, -np.log1p(np.maximum(-above, 0.0)), above)

    all_of_them = bent(known)
    standardised: Array = (bent(chosen.score) - all_of_them.mean()) / all_of_them.std()
    return standardised
