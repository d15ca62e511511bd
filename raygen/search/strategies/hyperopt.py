"""Tree-structured Parzen estimators and annealing by hyperopt (Bergstra et al. 2011).

Conditions are kept as hyperopt itself keeps them: a candidate's inactive parameters stand in its
record without a value, so the estimator of a parameter sees only candidates that used it. A
pending candidate's record has no loss, which hyperopt takes for the worst.
"""

from __future__ import annotations

import logging
import math
from typing import Any

from hyperopt import (
    JOB_STATE_DONE,
    JOB_STATE_RUNNING,
    STATUS_FAIL,
    STATUS_OK,
    STATUS_RUNNING,
    Domain,
    Trials,
    anneal,
    hp,
    tpe,
    trials_from_docs,
)

from raygen.search.strategies.coordinates import Coordinate, coordinates_of, values_of
from raygen.search.strategies.learner import Learner
from raygen.search.strategies.strategy import Scores, Terms, Values
from raygen.search.strategies.subset import Observation, subset

_LIMIT = 500
_GAMMA = 1.0
"""The best ``_GAMMA * sqrt(n)`` of n candidates are the good ones; hyperopt's 0.25 leaves two."""


class Hyperopt(Learner):
    """TPE after a few random draws: with hyperopt's own 20 the default budget would be random."""

    draws = 8

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        logging.getLogger("hyperopt").setLevel(logging.ERROR)
        self._coordinates = coordinates_of(self.space)
        self._domain = domain_of(self._coordinates) if self._coordinates else None
        self._documents: dict[int, Any] = {}

    def propose(self) -> Values:
        """The point of the highest expected improvement among 24 drawn ones."""
        numbers = [each.number for each in subset(self.over(), limit=_LIMIT)]
        numbers += list(self.pending)[-_LIMIT:]
        known = trials_from_docs([self._documents[each] for each in numbers], validate=False)
        (document,) = self.suggest(known, int(self.rng().integers(2**31)))
        found = document["misc"]["vals"]
        return values_of(
            self.space,
            {each.name: number_of(each, found[each.name][0]) for each in self._coordinates},
        )

    def suggest(self, known: Trials, seed: int) -> list[Any]:
        """Ask the library, given the records of what is known."""
        return list(
            tpe.suggest([self.asked], self._domain, known, seed, n_startup_jobs=1, gamma=_GAMMA)
        )

    def begin(self, number: int, values: Values) -> None:
        """Make a record without a loss."""
        super().begin(number, values)
        points = {
            each.name: [point_of(each, values[each.name])] if each.name in values else []
            for each in self._coordinates
        }
        misc = {
            "tid": number,
            "cmd": ("domain_attachment", "FMinIter_Domain"),
            "workdir": None,
            "idxs": {name: [number] * len(found) for name, found in points.items()},
            "vals": points,
        }
        result = {"status": STATUS_RUNNING}
        (document,) = Trials().new_trial_docs([number], [None], [result], [misc])
        self._documents[number] = document | {"state": JOB_STATE_RUNNING}

    def learn(self, number: int, scores: Scores | None) -> Observation:
        """Put the loss on record, in the place of an earlier one."""
        failed = {"status": STATUS_FAIL}
        result = failed if scores is None else {"status": STATUS_OK, "loss": -scores[0]}
        self._documents[number] |= {"state": JOB_STATE_DONE, "result": result}
        return super().learn(number, scores)


class Annealing(Hyperopt):
    """Draws around one of the best candidates, ever closer to it."""

    def suggest(self, known: Trials, seed: int) -> list[Any]:
        """Ask the library, given the records of what is known."""
        return list(anneal.suggest([self.asked], self._domain, known, seed))


def domain_of(coordinates: tuple[Coordinate, ...]) -> Domain:
    """The space as hyperopt draws from it."""
    expressions = {each.name: _expression(each) for each in coordinates}
    return Domain(lambda _: 0.0, expressions, pass_expr_memo_ctrl=False)


def _expression(coordinate: Coordinate) -> Any:
    """A coordinate as hyperopt draws it."""
    name, low, high = coordinate.name, coordinate.low, coordinate.high
    match coordinate.kind:
        case "option":
            return hp.randint(name, coordinate.size)
        case "step":
            return hp.quniform(name, -0.5, coordinate.size - 0.5, 1)
        case "whole":
            return hp.uniform(name, math.log(low), math.log(high))
        case _ if coordinate.log:
            return hp.loguniform(name, math.log(low), math.log(high))
        case _:
            return hp.uniform(name, low, high)


def number_of(coordinate: Coordinate, point: Any) -> float:
    """From what hyperopt drew to the coordinate's number."""
    return math.exp(point) if coordinate.kind == "whole" else float(point)


def point_of(coordinate: Coordinate, value: Any) -> Any:
    """From a value to what hyperopt would have drawn."""
    number = coordinate.number(value)
    if coordinate.kind == "option":
        return number
    return math.log(number) if coordinate.kind == "whole" else float(number)
