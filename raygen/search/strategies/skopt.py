"""Bayesian optimisation by scikit-optimize: a Gaussian process, extra trees or boosted trees.

The library's optimizer is made anew for each proposal and told everything at once. So a resumed
search proposes what it would have proposed, and pending candidates are lies of one proposal only.
"""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.ensemble import GradientBoostingRegressor
from sklearn.utils import RegressorTags, Tags
from skopt import Optimizer
from skopt.learning import GradientBoostingQuantileRegressor
from skopt.space import Categorical, Dimension, Integer, Real

from raygen.search.strategies.coordinates import Coordinate, coordinates_of, values_of
from raygen.search.strategies.learner import Learner
from raygen.search.strategies.strategy import Terms, Values

_ACQUISITIONS = {"hedge": "gp_hedge", "EI": "EI", "LCB": "LCB", "PI": "PI"}


class Skopt(Learner):
    """Fits a model to what is known and proposes where its acquisition function is highest.

    A parameter that is not active stands at the middle of its range. With ``hedge`` the
    proposals of EI, LCB and PI are equally likely: the library's gains of the three would depend on
    proposals that a resumed search no longer knows.
    """

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self._coordinates = coordinates_of(self.space)

    def propose(self) -> Values:
        """Where the acquisition function is highest among 10,000 points and, for a GP, around."""
        evidence = self.evidence(self.terms.options["limit"])
        points = [[_number(each, values) for each in self._coordinates] for values, _ in evidence]
        model, seed = self.terms.options["model"], int(self.rng().integers(2**31))
        optimizer = Optimizer(
            [_dimension(each) for each in self._coordinates],
            base_estimator=_boosting(seed) if model == "GBRT" else model,
            n_initial_points=1,  # the first draws are ours
            acq_func=_ACQUISITIONS[self.terms.options["acquisition"]],
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a point was evaluated before
            optimizer.tell(points, [-score for _, score in evidence])
            proposed = optimizer.ask()
        names = [each.name for each in self._coordinates]
        return values_of(self.space, dict(zip(names, proposed, strict=True)))


def _number(coordinate: Coordinate, values: Values) -> Any:
    """A candidate's number; the middle one if the parameter is not active."""
    known = coordinate.name in values
    return coordinate.number(values[coordinate.name]) if known else coordinate.middle


class _Boosting(GradientBoostingQuantileRegressor):  # type: ignore[misc]  # has no types
    """The library's boosted trees, mended for today's scikit-learn and NumPy.

    scikit-optimize 0.10.2 names ``RegressorMixin`` behind ``BaseEstimator``, so that since version
    1.7 scikit-learn does not take it for a regressor, and predicts with ``numpy.in1d``, which
    NumPy 2.4 no longer has.
    """

    def __sklearn_tags__(self) -> Tags:
        """The tags that the mixin would have set."""
        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        return tags

    def predict(self, X: Any, return_std: bool = False, return_quantiles: bool = False) -> Any:
        """The median and, if asked for, half the distance between the 16 % and 84 % quantiles."""
        low, middle, high = (each.predict(X) for each in self.regressors_)
        return (middle, (high - low) / 2.0) if return_std else middle


def _boosting(seed: int) -> _Boosting:
    """What the library makes of the name GBRT."""
    trees = GradientBoostingRegressor(n_estimators=30, loss="quantile")
    return _Boosting(base_estimator=trees, random_state=seed)


def _dimension(coordinate: Coordinate) -> Dimension:
    """A coordinate as scikit-optimize knows it."""
    prior = "log-uniform" if coordinate.log else "uniform"
    match coordinate.kind:
        case "option":
            return Categorical(list(range(coordinate.size)))
        case "real":
            return Real(coordinate.low, coordinate.high, prior=prior)
        case _:
            return Integer(coordinate.low, coordinate.high, prior=prior)
