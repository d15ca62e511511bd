"""Regularised evolution over the tree of parameters (Real et al. 2019, arXiv 1802.01548).

Random candidates fill a population; then the best of a random few has a child that differs in one
parameter, and with each child that is scored the oldest member goes, good or not. With several
objectives the worst goes instead, by the order of NSGA-II (Deb et al. 2002), so that a front stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raygen.config.domain import same
from raygen.config.space import Value
from raygen.runs.fronts import order
from raygen.search.encoding import Axis, Encoding
from raygen.search.strategies.strategy import Scores, Strategy, Terms, Values

_SPREAD = 0.15
"""Standard deviation of a step along a range, in shares of it."""
_TRIES = 40
"""Children that are known already, before a random candidate is proposed instead."""


@dataclass(eq=False)
class _Member:
    values: Values
    scores: Scores | None


class Evolution(Strategy):
    """Mutations of good candidates of a population that forgets its oldest.

    Candidates that are pending are known but have no children yet, as in the asynchronous search of
    the paper.
    """

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self._encoding = Encoding(terms.space)
        self._size = population_size(terms.trials)
        self._contestants = max(2, round(self._size / 3))
        self._known: set[str] = set()
        self._pending: dict[int, Values] = {}
        self._population: list[_Member] = []
        self._paused: dict[int, _Member] = {}

    def propose(self) -> Values:
        """A new child of the best of a few members; at first, random candidates."""
        rng = self.rng()
        if len(self._known) < self._size or not self._population:
            return self.space.sample(rng)
        best_first = order([member.scores for member in self._population])
        place = {index: place for place, index in enumerate(best_first)}
        for attempt in range(_TRIES):
            few = rng.permutation(len(self._population))[: self._contestants]
            child = self._population[min(few, key=lambda index: place[int(index)])].values
            for _ in range(1 + attempt // 10):  # further away where the neighbours are known
                child = mutated(self._encoding, child, rng)
            if _key(child) not in self._known:
                return child
        return self.space.sample(rng)

    def begin(self, number: int, values: Values) -> None:
        """Know the candidate, so that it is not proposed again."""
        self._pending[number] = dict(values)
        self._known.add(_key(values))

    def pause(self, number: int, scores: Scores) -> None:
        """Let the candidate into the population with what it has reached so far."""
        self._learn(number, scores)

    def end(self, number: int, scores: Scores | None) -> None:
        """Let the candidate into the population, and another go."""
        self._learn(number, scores)
        self._paused.pop(number, None)

    def _learn(self, number: int, scores: Scores | None) -> None:
        known = self._paused.get(number)
        if known is not None:  # it has its place, unless it is gone from there by now
            known.scores = scores
            return
        self._paused[number] = member = _Member(self._pending.pop(number), scores)
        self._population.append(member)
        if len(self._population) > self._size:
            several = self.terms.objectives > 1
            gone = order([each.scores for each in self._population])[-1] if several else 0
            del self._population[gone]


def population_size(trials: int | None) -> int:
    """Members of the population: a tenth of the budget, from 6 to 50."""
    return 30 if trials is None else min(max(round(trials / 10), 6), 50)


def mutated(encoding: Encoding, values: Values, rng: np.random.Generator) -> Values:
    """Change one active parameter; what that activates is drawn, what it deactivates dropped.

    Args:
        encoding: Of the space where the values are from.
        values: Active values of a candidate.
        rng: What decides.
    """
    axes = [each for each in encoding.axes if each.name in values and each.size != 1]
    if not axes:
        return dict(values)
    changed = axes[int(rng.integers(len(axes)))]
    child = dict(values) | {changed.name: neighbour(changed, values[changed.name], rng)}
    kept: Values = {}
    for parameter in encoding.space.parameters:
        if parameter.is_active(kept):
            known = parameter.name in child
            kept[parameter.name] = child[parameter.name] if known else parameter.domain.sample(rng)
    return kept


def neighbour(axis: Axis, value: Value, rng: np.random.Generator) -> Value:
    """Give another value: a near one of a range or of numbers, else any other option."""
    if not axis.ordinal:
        others = [option for option in axis.options if not same(option, value)]
        return others[int(rng.integers(len(others)))]
    here = axis.position(value)
    while True:  # ends: the axis has other values, and the steps have no limit
        there = (here + _SPREAD * float(rng.standard_normal())) % 2.0
        found = axis.value(2.0 - there if there > 1 else there)  # reflected at both ends
        if not same(found, value):
            return found


def _key(values: Values) -> str:
    return repr(sorted(values.items()))
