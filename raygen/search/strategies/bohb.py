"""The model of BOHB (Falkner et al. 2018, arXiv 1807.01774): good and bad candidates as densities.

One joint kernel density for the best candidates and one for the others, at the longest training
for which enough scores are known; of points drawn around good ones that with the highest ratio of
the two is proposed. Which trials are ended early is the scheduler's part (Hyperband in the paper).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from raygen.search.encoding import Encoding
from raygen.search.strategies.densities import Density, draw_around, fill_in
from raygen.search.strategies.strategy import Scores, Strategy, Terms, Values

_RANDOM_SHARE = 1 / 3
_DRAWN = 64
_GOOD_SHARE = 0.15
_MOST_OBSERVATIONS = 400
"""More than so many bad ones are thinned out at random, so that a proposal takes milliseconds."""


@dataclass
class _Seen:
    """A candidate and what is known of it."""

    point: NDArray[np.float64]
    """Shape (parameters,); NaN for what is not active."""
    scores: dict[int, float] = field(default_factory=dict)
    """By epoch."""
    failed: bool = False


class BOHB(Strategy):
    """Settings and formulas are those of the authors' implementation, HpBandSter.

    A pending candidate without a score at the model's epoch counts among the bad ones (a constant
    liar), a failed one at every epoch as the worst.
    """

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self._encoding = Encoding(terms.space)
        self._seen: dict[int, _Seen] = {}
        self._pending: set[int] = set()
        self._scored: dict[int, int] = {}
        """How many candidates have a score, by epoch."""
        self._known: set[str] = set()

    def propose(self) -> Values:
        """The likeliest to be good of 64 new points near good ones; each third draw is random."""
        rng = self.rng()
        epoch = self._epoch()
        if epoch is None or rng.random() < _RANDOM_SHARE:
            return self.space.sample(rng)
        good, bad = self._densities(epoch, rng)
        drawn = draw_around(good, _DRAWN, rng)
        # the same floor as in the implementation: where both densities vanish, neither wins
        ratios = np.maximum(good.at(drawn), 1e-32) / np.maximum(bad.at(drawn), 1e-32)
        for index in np.argsort(-ratios, kind="stable"):
            values = self._decoded(drawn[index])
            if _key(values) not in self._known:
                return values
        return self.space.sample(rng)

    def begin(self, number: int, values: Values) -> None:
        """Take the candidate as pending."""
        self._seen[number] = _Seen(self._encoded(values))
        self._pending.add(number)
        self._known.add(_key(values))

    def report(self, number: int, epoch: int, scores: Scores) -> None:
        """Note the score of an epoch; each epoch has observations of its own."""
        known = self._seen[number].scores
        self._scored[epoch] = self._scored.get(epoch, 0) + (epoch not in known)
        known[epoch] = scores[0]

    def end(self, number: int, scores: Scores | None) -> None:
        """Note the last score, of the last epoch reported, or of the whole training if none was."""
        seen = self._seen[number]
        self._pending.discard(number)
        if scores is not None:
            self.report(number, max(seen.scores, default=self.terms.max_epochs), scores)
            return
        seen.failed = True
        for epoch in seen.scores:
            self._scored[epoch] -= 1
        seen.scores.clear()

    def _epoch(self) -> int | None:
        """The longest training of which as many candidates are known as a model needs."""
        needed = self._fewest() + 2
        enough = [epoch for epoch, count in self._scored.items() if count >= needed]
        return max(enough, default=None)

    def _fewest(self) -> int:
        """Candidates a density needs: one more than it has dimensions."""
        return len(self._encoding.axes) + 1

    def _densities(self, epoch: int, rng: np.random.Generator) -> tuple[Density, Density]:
        """The densities of good and of bad candidates (formula 3 of the paper)."""
        scored = [each for each in self._seen.values() if epoch in each.scores]
        scored.sort(key=lambda each: -each.scores[epoch])
        worst = [each for each in self._seen.values() if each.failed]
        waiting = [self._seen[number] for number in sorted(self._pending)]
        worst += [each for each in waiting if epoch not in each.scores]
        known = len(scored) + len(worst)
        num_good = max(self._fewest(), int(_GOOD_SHARE * known))
        num_bad = max(self._fewest(), known - num_good)
        good = scored[: min(num_good, _MOST_OBSERVATIONS)]
        bad = [*scored, *worst][-num_bad:]
        if len(bad) > _MOST_OBSERVATIONS:
            kept = np.sort(rng.permutation(len(bad))[:_MOST_OBSERVATIONS])
            bad = [bad[index] for index in kept]
        return self._density(good, rng), self._density(bad, rng)

    def _density(self, candidates: list[_Seen], rng: np.random.Generator) -> Density:
        options = np.array([0 if axis.ordinal else axis.width for axis in self._encoding.axes], int)
        points = np.array([each.point for each in candidates])
        return Density(fill_in(points, options, rng), options)

    def _encoded(self, values: Values) -> NDArray[np.float64]:
        """A place from 0 to 1, or the index of an option, for each active parameter."""
        point = np.full(len(self._encoding.axes), np.nan)
        for index, axis in enumerate(self._encoding.axes):
            if axis.name in values:
                at = axis.position(values[axis.name])
                point[index] = at if axis.ordinal else int(at * axis.width)
        return point

    def _decoded(self, point: NDArray[np.float64]) -> Values:
        places = zip(self._encoding.axes, point, strict=True)
        found = {
            axis.name: axis.value(float(at if axis.ordinal else (at + 0.5) / axis.width))
            for axis, at in places
        }
        return self.space.active(found)


def _key(values: Values) -> str:
    return repr(sorted(values.items()))
