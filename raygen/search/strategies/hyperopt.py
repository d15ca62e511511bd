"""Tree-structured Parzen estimators by hyperopt (Bergstra et al. 2011).

Conditions are kept as hyperopt itself keeps them: a candidate's inactive parameters stand in its
record without a value, so the estimator of a parameter sees only candidates that used it.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from hyperopt import JOB_STATE_DONE, STATUS_FAIL, STATUS_OK, Domain, Trials, hp, tpe

from raygen.config.space import Choice, Float, Parameter
from raygen.search.strategies.strategy import Scores, Strategy, Terms, Values

_DRAWS = 8
_GAMMA = 1.0
"""The best ``_GAMMA * sqrt(n)`` of n candidates are the good ones; hyperopt's 0.25 leaves two."""


class Hyperopt(Strategy):
    """TPE after a few random draws: with hyperopt's own 20 the default budget would be random."""

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        logging.getLogger("hyperopt").setLevel(logging.ERROR)
        expressions = {each.name: _expression(each) for each in self.space.parameters}
        self._domain = Domain(lambda _: 0.0, expressions, pass_expr_memo_ctrl=False)
        self._trials = Trials()
        self._begun: dict[int, Values] = {}

    def propose(self) -> Values:
        """The point of the highest expected improvement among 24 drawn ones."""
        seed = int(self.rng().integers(2**31))
        (document,) = tpe.suggest(
            [self.asked], self._domain, self._trials, seed, n_startup_jobs=_DRAWS, gamma=_GAMMA
        )
        drawn = {
            each.name: _value(each, document["misc"]["vals"][each.name][0])
            for each in self.space.parameters
        }
        return self.space.active(drawn)

    def begin(self, number: int, values: Values) -> None:
        """Remember the values until their score is known."""
        self._begun[number] = values

    def end(self, number: int, scores: Scores | None) -> None:
        """Put a candidate and its loss among the estimator's observations."""
        values = self._begun.pop(number)
        points = {
            each.name: [_point(each, values[each.name])] if each.name in values else []
            for each in self.space.parameters
        }
        misc = {
            "tid": number,
            "cmd": ("domain_attachment", "FMinIter_Domain"),
            "workdir": None,
            "idxs": {name: [number] * len(found) for name, found in points.items()},
            "vals": points,
        }
        failed = {"status": STATUS_FAIL}
        result = failed if scores is None else {"status": STATUS_OK, "loss": -scores[0]}
        (document,) = self._trials.new_trial_docs([number], [None], [result], [misc])
        document["state"] = JOB_STATE_DONE
        self._trials.insert_trial_doc(document)
        self._trials.refresh()


def _expression(parameter: Parameter) -> Any:
    """The parameter as hyperopt draws it: a number, or the index of an option or a step."""
    name, domain = parameter.name, parameter.domain
    match domain:
        case Choice(options):
            return hp.randint(name, len(options))
        case _ if domain.size == 1:  # hyperopt refuses a range without width
            return hp.randint(name, 1)
        case Float(log=True):
            return hp.loguniform(name, float(np.log(domain.low)), float(np.log(domain.high)))
        case Float(step=None):
            return hp.uniform(name, domain.low, domain.high)
        case _ if domain.log:
            low, high = np.log(domain.low), np.log(domain.high)
            return hp.uniform(name, float(low), float(high))
        case _:
            assert domain.size is not None, "only continuous ranges have no size"
            return hp.quniform(name, -0.5, domain.size - 0.5, 1)


def _value(parameter: Parameter, point: Any) -> Any:
    """From hyperopt's number to the parameter's plain Python value."""
    domain = parameter.domain
    match domain:
        case Choice(options):
            return options[int(point)]
        case _ if domain.size == 1:
            return domain.low
        case Float(step=None):
            return min(max(float(f"{point:.4g}"), domain.low), domain.high)
        case _ if domain.log:
            return min(max(round(float(np.exp(point))), domain.low), domain.high)
        case _:
            steps = domain.grid(2)
            return steps[min(max(round(float(point)), 0), len(steps) - 1)]


def _point(parameter: Parameter, value: Any) -> Any:
    """From the parameter's value back to hyperopt's number."""
    domain = parameter.domain
    match domain:
        case Choice(options):
            return options.index(value)
        case _ if domain.size == 1:
            return 0
        case Float(step=None):
            return float(value)
        case _ if domain.log:
            return float(np.log(value))
        case _:
            return float(domain.grid(2).index(value))
