"""How do a user's beliefs about good values enter a search, whatever its strategy?

The first candidate is the belief itself. Then a share of the proposals is drawn around it: the
share shrinks as the search learns, so a wrong belief costs little (the idea of PriorBand, Mallik
et al. 2023, arXiv 2306.12370, applied to proposals of any strategy).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raygen.config.domain import Choice, Domain
from raygen.config.space import Confidence, Prior, Space, Value

_SHARE: dict[Confidence, float] = {"low": 0.25, "medium": 0.5, "high": 0.75}
"""Of the first proposals, how many are drawn around the belief."""
_WIDTH: dict[Confidence, float] = {"low": 0.3, "medium": 0.15, "high": 0.05}
"""Standard deviation around the belief, as a share of the range (on its scale)."""
_HALF_LIFE = 10
"""Proposals after which the share has halved."""
_POINTS = 1001


@dataclass(frozen=True)
class Beliefs:
    """The priors on a space's parameters, as a source of candidates."""

    space: Space
    seed: int

    def __bool__(self) -> bool:
        """Whether there are any."""
        return any(each.prior is not None for each in self.space.parameters)

    def propose(self, number: int) -> dict[str, Value] | None:
        """The values of the ``number``-th proposal (from 0); None to leave it to the strategy."""
        if not self:
            return None
        rng = np.random.default_rng((self.seed, number, 1))
        priors = [each.prior for each in self.space.parameters if each.prior is not None]
        share = float(np.mean([_SHARE[each.confidence] for each in priors]))
        if number and rng.random() >= share / (1 + number / _HALF_LIFE):
            return None
        drawn: dict[str, Value] = {}
        for each in self.space.parameters:
            if not each.is_active(drawn):
                continue
            prior = each.prior
            if prior is None:
                drawn[each.name] = each.domain.sample(rng)
            else:
                drawn[each.name] = _near(each.domain, prior, rng) if number else prior.at
        return drawn


def _near(domain: Domain, prior: Prior, rng: np.random.Generator) -> Value:
    """Draw around the expected value: a normal distribution over the places in the range."""
    options = domain.grid(_POINTS)
    if isinstance(domain, Choice):  # options have no order: the expected one, or any
        likely = rng.random() < _SHARE[prior.confidence]
        return prior.at if likely else domain.sample(rng)
    centre = min(range(len(options)), key=lambda i: abs(float(options[i]) - float(prior.at)))
    spread = _WIDTH[prior.confidence] * max(len(options) - 1, 1)
    place = round(centre + spread * float(rng.standard_normal()))
    value = options[min(max(place, 0), len(options) - 1)]
    # an Int on a log scale lists rounded places, and these are values of it
    return value if domain.contains(value) else prior.at
