"""What does a strategy around a library remember, and when does it not ask the library at all?

``Learner`` keeps what is pending and what is over, or paused and as good as over. A library's own
state is made from these for each proposal, or changes only in ``begin``, ``pause`` and ``end``; so
a resumed search needs nothing else.
"""

from __future__ import annotations

import numpy as np

from raygen.search.strategies.strategy import Scores, Strategy, Terms, Values
from raygen.search.strategies.subset import Observation, subset

_PATIENCE = 3
"""Proposals refused in a row before one is drawn: a model's best point may stay where it is."""


class Learner(Strategy):
    """A strategy that draws at random until enough is known, and then asks its library."""

    draws = 10
    """Candidates that are over before the library is asked."""

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self.pending: dict[int, Values] = {}
        self.told: list[Observation] = []
        """What was learnt, one after the other; of a trial that had been paused the last holds."""
        self._latest: dict[int, Observation] = {}
        self._epochs: dict[int, int] = {}
        self._refused = -1
        self._scored = 0

    def ask(self) -> Values | None:
        """The library's proposal, or a draw at the beginning and after several refusals."""
        self._refused += 1
        drawn = self._refused >= _PATIENCE or not self._scored or len(self._latest) < self.draws
        if drawn or all(each.domain.size == 1 for each in self.space.parameters):
            self.asked += 1
            return self.space.sample(self.rng())
        return super().ask()

    def begin(self, number: int, values: Values) -> None:
        """Remember the values until their score is known."""
        self._refused = -1
        self.pending[number] = dict(values)

    def report(self, number: int, epoch: int, scores: Scores) -> None:
        """Remember how long it was trained."""
        self._epochs[number] = epoch

    def pause(self, number: int, scores: Scores) -> None:
        """Take it for one that ended so, until more is known."""
        self.learn(number, scores)

    def end(self, number: int, scores: Scores | None) -> None:
        """Remember how it went."""
        self.learn(number, scores)
        self._epochs.pop(number, None)

    def learn(self, number: int, scores: Scores | None) -> Observation:
        """Put an observation in the place of the one that was made when the trial was paused."""
        earlier = self._latest.get(number)
        values = self.pending.pop(number) if earlier is None else earlier.values
        lot = float(np.random.default_rng((self.terms.seed, number)).random())
        learnt = Observation(number, values, scores, self._epochs.get(number, 0), lot)
        self.told.append(learnt)
        self._latest[number] = learnt
        self._scored += scores is not None
        self._scored -= earlier is not None and earlier.scores is not None
        return learnt

    def over(self, first: int | None = None) -> list[Observation]:
        """The trials that are over or paused, by what the first so many of ``told`` say of them."""
        if first is None:
            return list(self._latest.values())
        return list({each.number: each for each in self.told[:first]}.values())

    def evidence(
        self, limit: int, *, pending: str = "best", first: int | None = None
    ) -> list[tuple[Values, float]]:
        """What a library with one objective and no notion of pending candidates is told.

        A failure counts as the worst score. A pending candidate counts as the best (or the worst)
        one: the constant liar of Ginsbourger et al. 2010, "Kriging is well-suited to parallelize
        optimization", section 4.2, which is what the libraries do when asked for several at once.

        Args:
            limit: Most observations, and most of the newest pending candidates.
            pending: ``best`` for a model that is sure of what it was told, ``worst`` for densities.
            first: Only what the first so many of ``told`` say, and none that is pending.
        """
        over = self.over(first)
        scores = [each.scores[0] for each in over if each.scores is not None]
        worst, best = min(scores, default=0.0), max(scores, default=0.0)
        told = [
            (each.values, worst if each.scores is None else each.scores[0])
            for each in subset(over, limit=limit)
        ]
        if first is not None:
            return told
        lie = best if pending == "best" else worst
        return [*told, *((values, lie) for values in list(self.pending.values())[-limit:])]
