"""Which of those that are tied for first is chosen, and why?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Contender:
    """What a rule may look at."""

    scores: Sequence[float]
    """By fold; higher is better."""
    gap: float
    """To the leader on the folds that both have; higher is worse, the leader's is 0."""
    tied: bool
    """Whether it cannot be told from the leader."""
    complete: bool
    """Whether it was scored on all folds."""
    num_parameters: int
    latency_ms: float | None = None
    aicc: float | None = None


@dataclass(frozen=True)
class Rule:
    """One way to choose."""

    told: str
    """Why the chosen one, in a few words."""
    allows: Callable[[Contender, float], bool]
    """Whether a contender may be chosen; the number is the leader's standard error."""
    cost: Callable[[Contender], float | None]
    """What the chosen one has least of; None if nobody knows."""


def _is_tied(contender: Contender, _: float) -> bool:
    return contender.tied


RULES: Mapping[str, Rule] = {
    "mean": Rule("the best mean", lambda each, _: each.complete, lambda each: each.gap),
    "simplest-tied": Rule(
        "the fewest parameters", _is_tied, lambda each: float(each.num_parameters)
    ),
    "fastest-tied": Rule("the lowest latency", _is_tied, lambda each: each.latency_ms),
    "aicc-tied": Rule("the lowest AICc", _is_tied, lambda each: each.aicc),
    "one-error": Rule(
        "the fewest parameters within one standard error",
        lambda each, error: each.gap <= error,
        lambda each: float(each.num_parameters),
    ),
}
"""By the word in ``rank.choose``."""


@dataclass(frozen=True)
class Choice:
    """Who is chosen."""

    place: int
    why: str
    """In a few words."""


def choose(contenders: Sequence[Contender], rule: str) -> Choice:
    """The chosen one; of equals the one that comes first.

    Where nobody knows what the rule asks for, it is the leader.

    ``one-error`` is the 1-SE rule of L. Breiman, J. Friedman, R. Olshen and C. Stone:
    Classification and Regression Trees, 1984, section 3.4.3: the simplest candidate whose mean is
    not worse than the best one's by more than the plain standard error s / sqrt(J) of the best.

    Args:
        contenders: The leader, who has the best mean of those with all folds, first.
        rule: A key of ``RULES``.
    """
    leader = contenders[0].scores
    error = float(np.std(leader, ddof=1)) / math.sqrt(len(leader)) if len(leader) > 1 else 0.0
    allowed = [
        (cost, place)
        for place, each in enumerate(contenders)
        if RULES[rule].allows(each, error) and (cost := RULES[rule].cost(each)) is not None
    ]
    if not allowed:
        return Choice(0, f"{RULES['mean'].told}, for nobody knows {RULES[rule].told}")
    tied = sum(each.tied for each in contenders)
    among = f" of the {tied} tied for first" if rule.endswith("-tied") and tied > 1 else ""
    return Choice(min(allowed)[1], f"{RULES[rule].told}{among}")
