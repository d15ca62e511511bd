"""What every search strategy is told of its search, and what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from raygen.config.space import Space, Value

if TYPE_CHECKING:
    import numpy as np

Values: TypeAlias = dict[str, Value]
"""The active values of one candidate: plain Python values, no numpy scalars."""

Scores: TypeAlias = tuple[float, ...]
"""One finite number for each objective; higher is better in all of them."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is known of a search before it begins."""

    space: Space
    seed: int = 0
    objectives: int = 1
    max_epochs: int = 1
    """Epochs of a trial that nobody ends early; 1 for a search without fidelities."""
    trials: int | None = None
    """Budget in trials; None if only time or epochs end the search."""
    workers: int = 1
    """Trials that run at a time."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the row in the table of strategies, for a class that stands in several rows."""


class Strategy:
    """Proposes candidates and learns from how they do.

    All its randomness depends on the seed and on how many candidates it was asked for (`rng`), so
    a strategy that is told an earlier run's trials goes on as that run would have gone on.

    A candidate's life: ``ask`` returns its values; ``begin`` says that it is now being tried, under
    a number of its own, and until its ``end`` it is *pending*: its score is unknown, and further
    proposals must take it into account (a constant liar, or the library's own way). Values that
    were asked for but are never begun were refused (known already, or against a constraint).
    Values that are begun need not have been asked for: they may come from an earlier run.
    """

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.space = terms.space
        self.asked = 0

    def rng(self) -> np.random.Generator:
        """A generator of its own for this, the ``asked``-th, proposal."""
        import numpy as np  # not at the head: `raygen check` reads the table and draws nothing

        return np.random.default_rng((self.terms.seed, self.asked))

    def ask(self) -> Values | None:
        """The active values of the next candidate; None when the space is exhausted."""
        self.asked += 1
        return self.propose()

    def propose(self) -> Values | None:
        """What ``ask`` returns; drawn by ``rng`` alone."""
        raise NotImplementedError

    def begin(self, number: int, values: Values) -> None:
        """A candidate is now being tried."""

    def report(self, number: int, epoch: int, scores: Scores) -> None:
        """A candidate that is being tried has ended an epoch; the first is epoch 1."""

    def pause(self, number: int, scores: Scores) -> None:
        """A candidate waits for the scheduler, with its last scores, and is not pending meanwhile.

        These scores stand for its end until better ones are known: it may go on and be paused
        again, and it will end. Who learns from the epochs that are reported knows them already.
        """

    def end(self, number: int, scores: Scores | None) -> None:
        """A candidate is over, with its last scores; None if it failed."""

    def skip(self, asked: int) -> None:
        """Go on as if so many candidates had been asked for already."""
        self.asked += asked
