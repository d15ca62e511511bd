"""Can the candidates of a space be built? Looked at without training any."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from raygen.config.space import Space
from raygen.source.candidate import Candidate

_SAMPLES = 64


def check_candidates(space: Space, build: Callable[[Candidate], object]) -> None:
    """Build candidates drawn at random, and those of the corners of a space.

    Args:
        space: Where they are drawn.
        build: Raises where a candidate cannot be.
    """
    dice: Any = _Dice(0)
    for _ in range(_SAMPLES):
        build(Candidate(space.sample(dice)))
    for end in (0, -1):
        values = {each.name: each.domain.grid(2)[end] for each in space.parameters}
        build(Candidate(space.active(values)))


class _Dice(random.Random):
    """As much of numpy's Generator as a draw needs; loading numpy takes longer than the check."""

    def integers(self, high: int) -> int:
        """One of 0 ... high - 1."""
        return self.randrange(high)
