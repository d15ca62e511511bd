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
from skopt.learning.gaussian_process.kernels import WhiteKernel
from skopt.space import Categorical, Dimension, Integer, Real, Space
from skopt.utils import cook_estimator, normalize_dimensions

from raygen.search.strategies.coordinates import Coordinate, coordinates_of, values_of
from raygen.search.strategies.learner import Learner
from raygen.search.strategies.strategy import Terms, Values

_HEDGED = ("EI", "LCB", "PI")
_POINTS = 5_000
"""Where the acquisition function is looked up; a GP's is climbed from the best five of these."""
_RESTARTS = 1
"""Of the fit of a Gaussian process's hyperparameters, beside the one from where it begins."""
_FITTED = 100
"""Most observations that a Gaussian process's hyperparameters are fitted to."""
_OFTEN = 20
"""Up to so many observations its hyperparameters are fitted anew for each."""


class Skopt(Learner):
    """Fits a model to what is known and proposes where its acquisition function is highest.

    A parameter that is not active stands at the middle of its range. With ``hedge`` each proposal
    is one of EI, LCB or PI, all equally likely: the library's gains of the three would depend on
    proposals that a resumed search no longer knows.
    """

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self._coordinates = coordinates_of(self.space)
        self._dimensions = [_dimension(each) for each in self._coordinates]
        self._fit: tuple[int, Any] = (0, None)

    def propose(self) -> Values:
        """Where the acquisition function is highest among 5,000 points and, for a GP, around."""
        points, losses = self._told(self.evidence(self.terms.options["limit"]))
        rng = self.rng()
        acquisition = self.terms.options["acquisition"]
        seed = int(rng.integers(2**31))
        optimizer = Optimizer(
            self._dimensions,
            base_estimator=self._model(seed),
            n_initial_points=1,  # the first draws are ours
            acq_func=str(rng.choice(_HEDGED)) if acquisition == "hedge" else acquisition,
            acq_optimizer_kwargs={"n_points": _POINTS},
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a point was evaluated before
            optimizer.tell(points, losses)
            proposed = optimizer.ask()
        names = [each.name for each in self._coordinates]
        return values_of(self.space, dict(zip(names, proposed, strict=True)))

    def _model(self, seed: int) -> Any:
        """An estimator, or the library's name of one."""
        match self.terms.options["model"]:
            case "GP":
                process = cook_estimator("GP", space=self._dimensions, random_state=seed)
                return process.set_params(kernel=self._kernel(), optimizer=None)
            case "GBRT":
                return _boosting(seed)
            case name:
                return name

    def _kernel(self) -> Any:
        """The kernel with hyperparameters fitted when there were up to a tenth fewer observations.

        The fit takes most of the time of a proposal, and depends on nothing but what
        had been told then.
        """
        count = _milestone(len(self.told))
        if self._fit[0] != count:
            points, losses = self._told(self.evidence(_FITTED, first=count))
            process = cook_estimator(
                "GP",
                space=self._dimensions,
                random_state=self.terms.seed + count,
                n_restarts_optimizer=_RESTARTS,
            )
            space = Space(normalize_dimensions(self._dimensions))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # hyperparameters at their bounds
                process.fit(space.transform(points), losses)
            noise = WhiteKernel(process.noise_)  # the fit takes it out of the kernel
            self._fit = count, process.kernel_.set_params(k2=noise)
        return self._fit[1]

    def _told(self, evidence: list[tuple[Values, float]]) -> tuple[list[list[Any]], list[float]]:
        """Points and what is to be minimised."""
        points = [[_number(each, values) for each in self._coordinates] for values, _ in evidence]
        return points, [-score for _, score in evidence]


def _milestone(count: int) -> int:
    """The largest of 1, 2, .., 20, 22, 24, .. that is at most ``count``; each a tenth more."""
    milestone = min(count, _OFTEN)
    while (following := milestone + milestone // 10) <= count and milestone >= _OFTEN:
        milestone = following
    return milestone


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
