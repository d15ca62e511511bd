"""Draws every candidate independently: the baseline each other strategy has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np

from raygen.config.space import Space


class Random:
    """Independent draws from the space."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._seed, self._asked = space, seed, 0

    def ask(self) -> dict[str, Any] | None:
        """Draw."""
        self._asked += 1
        return self._space.sample(np.random.default_rng((self._seed, self._asked)))

    def tell(self, values: dict[str, Any], score: float | None) -> None:
        """Learn nothing."""

    def skip(self, asked: int) -> None:
        """Go on behind the draws of an earlier run."""
        self._asked += asked
