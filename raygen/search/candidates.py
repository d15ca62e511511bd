"""Which candidate is tried next: what is known to be good, what the user believes, or a proposal.

Whatever its source, a candidate is new and allowed; and it is tried as often as was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from raygen.config.space import Value
from raygen.search.priors import Beliefs
from raygen.search.strategies.strategy import Scores, Strategy
from raygen.source.candidate import Candidate

_MOST_ATTEMPTS = 200
"""Proposals in a row that are known already or not allowed, before the search ends."""


@dataclass(frozen=True)
class Proposal:
    """A candidate, and how many times it was begun before."""

    values: Mapping[str, Value]
    repeat: int = 0


@dataclass(slots=True)
class _Cell:
    """The trials of one candidate."""

    number: int
    """Under which the strategy knows the candidate: that of its first trial."""
    scores: list[Scores] = field(default_factory=list)
    """Of the trials that are over; NaN of one that failed."""
    paused: dict[int, Scores] = field(default_factory=dict)
    """Of the trials that wait, by their number."""
    reported: dict[int, list[Scores]] = field(default_factory=dict)
    """By epoch."""


class Candidates:
    """A strategy, and the rules that hold for all strategies.

    Args:
        strategy: Proposes, and learns of every candidate, whoever proposed it.
        refusal: Why values must not be trained; empty if they may. Asked before anything else
            is done with a candidate, so a refusal costs nothing.
        first: Known candidates, tried before the strategy is asked.
        repeats: Trials of each candidate; the strategy learns their mean.
    """

    def __init__(
        self,
        strategy: Strategy,
        *,
        refusal: Callable[[Mapping[str, Value]], str] = lambda _: "",
        first: Sequence[Mapping[str, Value]] = (),
        repeats: int = 1,
    ) -> None:
        self._strategy, self._refusal, self._repeats = strategy, refusal, repeats
        self._waiting = [Proposal(values) for values in first]
        self._beliefs = Beliefs(strategy.space, strategy.terms.seed)
        self._proposed = self._recalled = 0
        self._cells: dict[str, _Cell] = {}
        self._refusals: dict[str, str] = {}
        self._cell_of: dict[int, _Cell] = {}

    def next(self) -> Proposal | None:
        """The next candidate; None when nothing new is proposed any more.

        Raises:
            Refused: Of so many proposals in a row none was allowed.
        """
        reason = ""
        for _ in range(_MOST_ATTEMPTS):
            proposal = self._propose()
            if proposal is None:
                break
            if proposal.repeat == 0 and Candidate(proposal.values).id in self._cells:
                continue
            refused = "" if proposal.repeat else self._refused(proposal.values)
            if not refused:
                return proposal
            reason = refused
        if reason:
            raise Refused(reason)
        return None

    def begin(self, number: int, values: Mapping[str, Value], repeat: int = 0) -> None:
        """A trial of a candidate begins, proposed here or in an earlier session."""
        name = Candidate(values).id
        cell = self._cells.get(name)
        if cell is None:
            cell = self._cells[name] = _Cell(number)
            self._strategy.begin(number, dict(values))
            again = [Proposal(values, more) for more in range(1, self._repeats)]
            self._waiting = [*again, *self._waiting]
        if repeat:  # of an earlier session: it is not to be begun once more
            self._waiting = [
                each
                for each in self._waiting
                if (Candidate(each.values).id, each.repeat) != (name, repeat)
            ]
        self._cell_of[number] = cell

    def recall(self, values: Mapping[str, Value], scores: Scores) -> None:
        """Learn what another run has measured; the candidate may still be tried here."""
        self._recalled -= 1  # numbers of its own, below those of all trials
        self._strategy.begin(self._recalled, dict(values))
        self._strategy.report(self._recalled, self._strategy.terms.max_epochs, scores)
        self._strategy.end(self._recalled, scores)

    def drawn(self) -> dict[str, int]:
        """How far all that is random has come; journalled with each new trial."""
        return {"proposed": self._proposed, "asked": self._strategy.asked}

    def go_on_from(self, drawn: Mapping[str, int]) -> None:
        """Draw as if it had come so far here."""
        self._proposed = drawn.get("proposed", self._proposed + 1)
        asked = drawn.get("asked", self._strategy.asked + 1)
        self._strategy.skip(asked - self._strategy.asked)

    def report(self, number: int, epoch: int, scores: Scores) -> None:
        """A trial has ended an epoch; the strategy hears of it when all its repeats have."""
        cell = self._cell_of[number]
        cell.paused.pop(number, None)
        if self._repeats == 1:
            self._strategy.report(cell.number, epoch, scores)
            return
        reported = cell.reported.setdefault(epoch, [])
        reported.append(scores)
        if len(reported) == self._repeats:
            self._strategy.report(cell.number, epoch, _mean(reported))

    def pause(self, number: int, scores: Scores) -> None:
        """A trial waits, with its last scores; it may go on, or end as it is.

        The strategy hears of it when no trial of the candidate runs, and none has failed.
        """
        cell = self._cell_of[number]
        cell.paused[number] = scores
        known = [*cell.scores, *cell.paused.values()]
        if len(known) == self._repeats and not any(math.isnan(each[0]) for each in known):
            self._strategy.pause(cell.number, _mean(known))

    def end(self, number: int, scores: Scores | None) -> None:
        """A trial is over; None if it failed, which counts against its candidate."""
        cell = self._cell_of.pop(number)
        cell.paused.pop(number, None)
        failed = scores is None or not all(math.isfinite(each) for each in scores)
        cell.scores.append((math.nan,) if failed or scores is None else scores)
        if len(cell.scores) < self._repeats:
            return
        broken = any(math.isnan(scores[0]) for scores in cell.scores)
        self._strategy.end(cell.number, None if broken else _mean(cell.scores))

    def _refused(self, values: Mapping[str, Value]) -> str:
        """Why values must not be trained; each candidate is looked at once."""
        name = Candidate(values).id
        if name not in self._refusals:
            self._refusals[name] = self._refusal(values)
        return self._refusals[name]

    def _propose(self) -> Proposal | None:
        if self._waiting:
            return self._waiting.pop(0)
        number, self._proposed = self._proposed, self._proposed + 1
        values = self._beliefs.propose(number) or self._strategy.ask()
        return None if values is None else Proposal(values)


class Refused(Exception):
    """The strategy proposes nothing that may be trained."""


def _mean(scores: Sequence[Scores]) -> Scores:
    return tuple(sum(each) / len(scores) for each in zip(*scores, strict=True))
