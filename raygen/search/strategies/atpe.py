"""Adaptive TPE by hyperopt: models of lightgbm choose the settings of TPE for each proposal.

The models come with hyperopt; they were fitted to many searches by Bradley Arsenault (2018).
``hyperopt.atpe.suggest`` itself cannot be used: it reads times that only hyperopt's own loop sets,
takes failed trials for an error, ranks inactive parameters as texts beside numbers, loads the
thirteen models anew each time, and draws from the process's global generators.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import lightgbm  # noqa: F401 - hyperopt.atpe imports it too late to say that it is missing
import numpy as np
from hyperopt.atpe import ATPEOptimizer, Hyperparameter

from raygen.search.strategies.coordinates import coordinates_of, values_of
from raygen.search.strategies.hyperopt import domain_of, number_of, point_of
from raygen.search.strategies.learner import Learner
from raygen.search.strategies.strategy import Terms, Values

_LIMIT = 300


class AdaptiveHyperopt(Learner):
    """TPE whose share of good candidates, filters and locked parameters change with what is seen.

    A parameter that is not active stands at the middle of its range; a pending candidate counts
    as the worst, as in hyperopt's TPE.
    """

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self._coordinates = coordinates_of(self.space)
        self._model = ATPEOptimizer()
        if self._coordinates:  # hyperopt refuses a space with nothing to choose
            domain = domain_of(self._coordinates)
            self._space = Hyperparameter.createHyperparameterConfigForHyperoptDomain(domain)

    def propose(self) -> Values:
        """The best of up to 48 points, drawn with the settings that the models recommend."""
        evidence = self.evidence(_LIMIT, pending="worst")
        best = max(score for _, score in evidence)
        results = [
            # its models know positive losses only, and 0 would pass for no result
            {"trial": index, "status": "ok", "loss": best - score + 0.1, "log": "", "time": 0.0}
            | self._points(values)
            for index, (values, score) in enumerate(evidence)
        ]
        with _seeded(int(self.rng().integers(2**31))), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # correlations with what is constant
            proposed = self._model.recommendNextParameters(self._space, results, currentTrials=[])
        return values_of(
            self.space,
            {each.name: number_of(each, proposed[each.name]) for each in self._coordinates},
        )

    def _points(self, values: Values) -> dict[str, float]:
        """A candidate as hyperopt would have drawn it."""
        return {
            each.name: point_of(each, values.get(each.name, each.value(each.middle)))
            for each in self._coordinates
        }


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global generators, which the library draws from, and put them back."""
    python, numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
