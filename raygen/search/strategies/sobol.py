"""Spreads candidates evenly over the space: a scrambled Sobol sequence (Owen 1998), by SciPy."""

from __future__ import annotations

from scipy.stats import qmc

from raygen.search.encoding import Encoding
from raygen.search.strategies.strategy import Strategy, Terms, Values


class Sobol(Strategy):
    """Point after point of one sequence, with a dimension for each parameter.

    Parameters that are not active are dropped, so those that are active lie as evenly as before.
    """

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self._encoding = Encoding(self.space)
        self._drawn = 0
        dimensions = max(self._encoding.size, 1)
        self._sequence = qmc.Sobol(dimensions, scramble=True, rng=terms.seed)

    def propose(self) -> Values:
        """The point whose turn it is."""
        if passed := self.asked - 1 - self._drawn:
            self._sequence.fast_forward(passed)
        self._drawn = self.asked
        (point,) = self._sequence.random(1)
        at = self._encoding.snap(point[None, : self._encoding.size])[0]
        return self._encoding.values(at)
