"""Draws every candidate independently: the baseline each other strategy has to beat."""

from __future__ import annotations

from raygen.search.strategies.strategy import Strategy, Values


class Random(Strategy):
    """Independent draws from the space."""

    def propose(self) -> Values:
        """Draw."""
        return self.space.sample(self.rng())
