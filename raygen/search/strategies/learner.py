"""What does a strategy around a library remember, and when does it not ask the library at all?

``Learner`` keeps what is pending and what is over. A library's own state is made from these for
each proposal, or changes only in ``begin`` and ``end``; so a resumed search needs nothing else.
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
        self.over: list[Observation] = []
        self._epochs: dict[int, int] = {}
        self._refused = -1
        self._scored = 0

    def ask(self) -> Values | None:
        """The library's proposal, or a draw at the beginning and after several refusals."""
        self._refused += 1
        drawn = self._refused >= _PATIENCE or not self._scored or len(self.over) < self.draws
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

    def end(self, number: int, scores: Scores | None) -> None:
        """Remember how it went."""
        values, epoch = self.pending.pop(number), self._epochs.pop(number, 0)
        lot = float(np.random.default_rng((self.terms.seed, number)).random())
        self.over.append(Observation(number, values, scores, epoch, lot))
        self._scored += scores is not None

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
            first: Only the first so many that are over, and none that is pending.
        """
        over = self.over[:first]
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
