"""Bayesian optimisation by bayesian-optimization: a Gaussian process with a Matern kernel.

The library's kernel has one length scale for all parameters, so each is scaled to 0..1 first, by a
parameter type of ours: the library's own leave numbers as they are and know no log scale. A kernel
sees steps and whole numbers rounded (Garrido-Merchan and Hernandez-Lobato 2020, arXiv 1805.03463)
and options one-hot, as the library does it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from bayes_opt import BayesianOptimization, acquisition
from bayes_opt.parameter import BayesParameter, CategoricalParameter
from numpy.typing import NDArray

from raygen.config.space import Choice, Parameter
from raygen.search.encoding import Array, Axis
from raygen.search.strategies.coordinates import Coordinate
from raygen.search.strategies.learner import Learner
from raygen.search.strategies.strategy import Terms, Values

_LIMIT = 150
_THOROUGH = 60
"""Up to so many observations the library's own thoroughness costs a tenth of a second or two."""
_STARTS = 3
"""Points from which the acquisition function is climbed beyond that; else the library's 10."""
_RESTARTS = 1
"""Of the fit of the kernel's one length beyond that; else the library's 5."""
_ACQUISITIONS: dict[str, Callable[[], acquisition.AcquisitionFunction]] = {
    "UCB": lambda: acquisition.UpperConfidenceBound(kappa=2.576),
    "EI": lambda: acquisition.ExpectedImprovement(xi=0.01),
    "PI": lambda: acquisition.ProbabilityOfImprovement(xi=0.01),
}
"""With the library's own settings; they ask for scores of about one unit of spread."""


class BayesOpt(Learner):
    """Made anew for each proposal and told everything, pending candidates as the best score.

    The library's own constant liar fails as soon as there are options (its copy of the space takes
    the bounds of the one-hot columns for those of parameters). A parameter that is not active
    stands at the middle of its range.
    """

    draws = 5  # the library's own number

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self._parameters: dict[str, Any] = {
            each.name: _Options(each) if isinstance(each.domain, Choice) else _Range(each)
            for each in self.space.parameters
            if each.domain.size != 1
        }

    def propose(self) -> Values:
        """Where the acquisition function is highest."""
        known = {self._key(values): score for values, score in self.evidence(_LIMIT)}
        scores = np.array(list(known.values()))
        scores = (scores - scores.mean()) / (scores.std() or 1.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that typed parameters are new to the library
            optimizer = self._optimizer(thorough=len(known) <= _THOROUGH)
            for point, score in zip(known, scores, strict=True):
                # the optimizer's own register writes a log line of all that is known so far
                optimizer.space.register(np.array(point), float(score))
            proposed: dict[str, Any] = optimizer.suggest()
        single: dict[str, Any] = {
            e.name: e.domain.grid(1)[0] for e in self.space.parameters if e.domain.size == 1
        }
        return self.space.active({**single, **proposed})

    def _optimizer(self, *, thorough: bool) -> BayesianOptimization:
        """One that proposes in tenths of a second."""
        function: Any = _ACQUISITIONS[self.terms.options["acquisition"]]()
        if not thorough:
            function.suggest = partial(function.suggest, n_smart=_STARTS)
        optimizer = BayesianOptimization(
            f=None,
            pbounds=self._parameters,
            acquisition_function=function,
            random_state=int(self.rng().integers(2**31)),
            verbose=0,
        )
        if not thorough:
            optimizer.set_gp_params(n_restarts_optimizer=_RESTARTS)
        return optimizer

    def _key(self, values: Values) -> tuple[float, ...]:
        """A candidate as the library's row of numbers; the library refuses to hear one twice."""
        columns = [
            each.to_float(values.get(name, each.middle)) for name, each in self._parameters.items()
        ]
        return tuple(float(number) for number in np.hstack(columns))


class _Range(BayesParameter):
    """A range of numbers, scaled to 0..1; its kernel sees only numbers that are values."""

    is_continuous = True  # else the library minimises by differential evolution, for seconds
    dim = 1

    def __init__(self, parameter: Parameter) -> None:
        super().__init__(parameter.name, np.array([0.0, 1.0]))
        self._axis = Axis(parameter)
        self.middle = self.to_param(0.5)

    def to_float(self, value: Any) -> float:
        """From a value to 0..1."""
        return self._axis.position(value)

    def to_param(self, value: Any) -> Any:
        """From 0..1 to a plain value."""
        return self._axis.value(float(self.kernel_transform(np.ravel(value))[0]))

    def kernel_transform(self, value: NDArray[Any]) -> Array:
        """Round to what are values."""
        return self._axis.snap(value)


class _Options(CategoricalParameter):
    """A list of options, one-hot; by index, because ``True`` and 1 are the same to the library."""

    is_continuous = True  # as above

    def __init__(self, parameter: Parameter) -> None:
        self._axis = Coordinate(parameter)
        super().__init__(parameter.name, range(self._axis.size))
        self.middle = self._axis.value(self._axis.middle)

    def to_float(self, value: Any) -> Any:
        """From an option to its column."""
        return super().to_float(self._axis.number(value))

    def to_param(self, value: Any) -> Any:
        """From columns to the option of the highest."""
        return self._axis.value(super().to_param(value))
