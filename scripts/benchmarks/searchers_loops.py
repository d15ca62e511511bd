"""Each library's own loop: what its users write who do not have RayGen.

Every loop proposes values, is told which row of the table took their place, and then how it did.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from raygen.config.space import Choice, Float, Int, Space

Values = Mapping[str, Any]


class Loop:
    """A library that is asked and told."""

    def ask(self) -> Values:
        """Propose values."""
        raise NotImplementedError

    def begin(self, number: int, values: Values) -> None:
        """Learn which values are being tried in place of the last ones proposed."""
        raise NotImplementedError

    def report(self, number: int, epoch: int, score: float) -> bool:
        """Learn of an epoch's score, and say whether the trial goes on."""
        return True

    def end(self, number: int, score: float | None) -> None:
        """Learn the last score; None if the trial failed."""
        raise NotImplementedError


Make = Callable[[Space, int, int, int], Loop]
"""From the space, the epochs of a trial, the workers and a seed to a loop."""


class Hyperopt(Loop):
    """``fmin``'s loop around ``tpe.suggest``, with its defaults."""

    def __init__(self, space: Space, epochs: int, workers: int, seed: int) -> None:
        from hyperopt import Domain, Trials, hp

        logging.getLogger("hyperopt").setLevel(logging.ERROR)
        self._domains = {each.name: each.domain for each in space.parameters}
        expressions = {}
        for name, domain in self._domains.items():
            if isinstance(domain, Choice):
                expressions[name] = hp.choice(name, list(domain.options))
            elif domain.log:
                low, high = math.log(domain.low), math.log(domain.high)
                whole = isinstance(domain, Int)
                expressions[name] = (
                    hp.qloguniform(name, low, high, 1) if whole else hp.loguniform(name, low, high)
                )
            elif isinstance(domain, Int):
                expressions[name] = hp.quniform(name, domain.low - 0.5, domain.high + 0.5, 1)
            else:
                expressions[name] = hp.uniform(name, domain.low, domain.high)
        self._domain, self._trials = Domain(lambda _: 0.0, expressions), Trials()
        self._rng = np.random.default_rng(seed)
        self._documents: dict[int, Any] = {}

    def ask(self) -> Values:
        """Propose values."""
        from hyperopt import tpe

        self._trials.refresh()
        ids = self._trials.new_trial_ids(1)
        seed = int(self._rng.integers(2**31 - 1))
        (self._asked,) = tpe.suggest(ids, self._domain, self._trials, seed)
        found = {name: each[0] for name, each in self._asked["misc"]["vals"].items()}
        return {name: self._value(name, each) for name, each in found.items()}

    def begin(self, number: int, values: Values) -> None:
        """Put the row in place of what was asked."""
        found = self._asked["misc"]["vals"]
        for name, value in values.items():
            domain = self._domains[name]
            if isinstance(domain, Choice):
                found[name] = [domain.options.index(value)]
            else:
                found[name] = [value]
        self._documents[number] = self._asked

    def end(self, number: int, score: float | None) -> None:
        """Tell the score."""
        from hyperopt import JOB_STATE_DONE, STATUS_FAIL, STATUS_OK

        document = self._documents.pop(number)
        failed = {"status": STATUS_FAIL}
        document["result"] = failed if score is None else {"status": STATUS_OK, "loss": -score}
        document["state"] = JOB_STATE_DONE
        self._trials.insert_trial_doc(document)
        self._trials.refresh()

    def _value(self, name: str, found: Any) -> Any:
        domain = self._domains[name]
        if isinstance(domain, Choice):
            return domain.options[int(found)]
        found = min(max(float(found), domain.low), domain.high)
        return round(found) if isinstance(domain, Int) else found


class Skopt(Loop):
    """``Optimizer`` with its defaults; with several workers a batch at a time, as its docs say."""

    def __init__(self, space: Space, epochs: int, workers: int, seed: int) -> None:
        from skopt import Optimizer
        from skopt.space import Categorical, Integer, Real

        self._names, dimensions = [], []
        for each in space.parameters:
            domain, name = each.domain, each.name
            self._names.append(name)
            if isinstance(domain, Choice):
                dimensions.append(Categorical(list(domain.options), name=name))
            else:
                kind = Integer if isinstance(domain, Int) else Real
                prior = "log-uniform" if domain.log else "uniform"
                dimensions.append(kind(domain.low, domain.high, prior=prior, name=name))
        self._optimizer = Optimizer(dimensions, random_state=seed)
        self._workers = workers
        self._batch: list[Any] = []
        self._pending: dict[int, Any] = {}
        self._worst = math.inf

    def ask(self) -> Values:
        """Propose values."""
        if not self._batch:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                several = self._workers > 1
                asked = self._optimizer.ask(self._workers if several else None)
            self._batch = list(asked) if several else [asked]
        return dict(zip(self._names, self._batch.pop(0), strict=True))

    def begin(self, number: int, values: Values) -> None:
        """Put the row in place of what was asked."""
        self._pending[number] = [values[name] for name in self._names]

    def end(self, number: int, score: float | None) -> None:
        """Tell the score."""
        point = self._pending.pop(number)
        if score is None:  # it knows no failures: as bad as the worst so far
            if self._worst == math.inf:
                return
            score = self._worst
        self._worst = min(self._worst, score)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._optimizer.tell(point, -score)


class BayesOpt(Loop):
    """``BayesianOptimization``'s suggest and register; logs by hand, options by their own type."""

    def __init__(self, space: Space, epochs: int, workers: int, seed: int) -> None:
        from bayes_opt import BayesianOptimization
        from bayes_opt.acquisition import ConstantLiar, UpperConfidenceBound

        self._domains = {each.name: each.domain for each in space.parameters}
        bounds: dict[str, Any] = {}
        for name, domain in self._domains.items():
            if isinstance(domain, Choice):
                bounds[name] = tuple(map(str, domain.options))
            elif domain.log:
                bounds[name] = (math.log(domain.low), math.log(domain.high))
            elif isinstance(domain, Int):
                bounds[name] = (domain.low, domain.high, int)
            else:
                bounds[name] = (domain.low, domain.high)
        usual = UpperConfidenceBound(kappa=2.576)
        self._optimizer = BayesianOptimization(
            f=None,
            pbounds=bounds,
            acquisition_function=usual if workers == 1 else ConstantLiar(usual),
            random_state=seed,
            verbose=0,
            allow_duplicate_points=True,
        )
        self._rng = np.random.RandomState(seed)
        self._begun = 0
        self._pending: dict[int, dict[str, Any]] = {}
        self._worst = math.inf

    def ask(self) -> Values:
        """Propose values."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self._begun < 5:  # what maximize() does with its init_points
                space = self._optimizer.space
                found = space.array_to_params(space.random_sample(random_state=self._rng))
            else:
                found = self._optimizer.suggest()
        return {name: self._value(name, each) for name, each in found.items()}

    def begin(self, number: int, values: Values) -> None:
        """Put the row in place of what was asked."""
        self._begun += 1
        self._pending[number] = {
            name: str(value)
            if isinstance(domain := self._domains[name], Choice)
            else math.log(value)
            if domain.log
            else value
            for name, value in values.items()
        }

    def end(self, number: int, score: float | None) -> None:
        """Tell the score."""
        params = self._pending.pop(number)
        if score is None:  # it knows no failures: as bad as the worst so far
            if self._worst == math.inf:
                return
            score = self._worst
        self._worst = min(self._worst, score)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._optimizer.register(params=params, target=score)

    def _value(self, name: str, found: Any) -> Any:
        domain = self._domains[name]
        if isinstance(domain, Choice):
            return next(each for each in domain.options if str(each) == str(found))
        found = math.exp(found) if domain.log else float(found)
        found = min(max(found, domain.low), domain.high)
        return round(found) if isinstance(domain, Int) else found


class Optuna(Loop):
    """A study's ask and tell, with a sampler and a pruner."""

    def __init__(
        self, space: Space, epochs: int, workers: int, seed: int, *, sampler: str, pruner: str
    ) -> None:
        import optuna
        from optuna.distributions import (
            CategoricalDistribution,
            FloatDistribution,
            IntDistribution,
        )

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", module="optuna")
        self._kinds: dict[str, Any] = {}
        for each in space.parameters:
            domain = each.domain
            if isinstance(domain, Choice):
                self._kinds[each.name] = CategoricalDistribution(domain.options)
            elif isinstance(domain, Int):
                self._kinds[each.name] = IntDistribution(domain.low, domain.high, log=domain.log)
            elif isinstance(domain, Float):
                self._kinds[each.name] = FloatDistribution(domain.low, domain.high, log=domain.log)
        samplers: dict[str, Callable[[], Any]] = {
            # for several workers its docs advise the constant liar
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed, constant_liar=workers > 1),
            "gp": lambda: optuna.samplers.GPSampler(seed=seed),
        }
        pruners: dict[str, Callable[[], Any]] = {
            "none": optuna.pruners.NopPruner,
            "median": optuna.pruners.MedianPruner,
            "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(reduction_factor=3),
            "hyperband": lambda: optuna.pruners.HyperbandPruner(max_resource=epochs),
        }
        self._study = optuna.create_study(
            direction="maximize", sampler=samplers[sampler](), pruner=pruners[pruner]()
        )
        self._pruned = optuna.trial.TrialState.PRUNED
        self._failed = optuna.trial.TrialState.FAIL
        self._epochs, self._stopped = epochs, set[int]()
        self._trials: dict[int, Any] = {}

    def ask(self) -> Values:
        """Propose values."""
        self._asked = self._study.ask(self._kinds)
        return dict(self._asked.params)

    def begin(self, number: int, values: Values) -> None:
        """Put the row in place of what was asked."""
        storage = self._study._storage  # no public way leads to other values than those asked
        for name, kind in self._kinds.items():
            told = kind.to_internal_repr(values[name])
            storage.set_trial_param(self._asked._trial_id, name, told, kind)
        self._trials[number] = self._asked

    def report(self, number: int, epoch: int, score: float) -> bool:
        """Ask the pruner."""
        trial = self._trials[number]
        trial.report(score, epoch)
        if epoch < self._epochs and trial.should_prune():
            self._stopped.add(number)
            return False
        return True

    def end(self, number: int, score: float | None) -> None:
        """Tell the score."""
        trial = self._trials.pop(number)
        if score is None:
            self._study.tell(trial, state=self._failed)
        elif number in self._stopped:
            self._study.tell(trial, state=self._pruned)
        else:
            self._study.tell(trial, score)
