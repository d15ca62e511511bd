"""Optuna's samplers that model what they know: TPE and the Gaussian process.

Each proposal is asked of a sampler of its own, with its own seed, over one study in memory.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from raygen.search.strategies.coordinates import Coordinate, coordinates_of, values_of
from raygen.search.strategies.learner import Learner
from raygen.search.strategies.strategy import Scores, Terms, Values
from raygen.search.strategies.subset import Observation, subset

_MARGIN = 1.25
"""How far a study grows beyond its limit before it is made anew, so that this is rare."""


class Optuna(Learner):
    """What all of them have in common: the study, and who is told what.

    A failed trial is told as failed: the samplers pass it over. Most pass over pruned trials too,
    so to them a trial that was stopped early is complete, with its last scores.
    """

    draws = 0
    limit: int | None = None
    """Most trials of the study, where the sampler's time grows with them."""

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.coordinates = coordinates_of(self.space)
        self.distributions = {each.name: _distribution(each) for each in self.coordinates}
        self.ids: dict[int, int] = {}
        """From the trials that are not over to their ids in the study."""
        self._open()

    def sampler(self, seed: int) -> BaseSampler:
        """The sampler of one proposal."""
        raise NotImplementedError

    def inactive(self, number: int) -> Mapping[str, Any]:
        """Numbers for the coordinates that are not active in a trial."""
        return {each.name: each.middle for each in self.coordinates}

    def stops(self, observation: Observation) -> bool:
        """Whether a trial is told as pruned."""
        return False

    def propose(self) -> Values:
        """Sample a trial, and leave it failed: what is begun is another trial of the study."""
        study, _ = self.sampled(int(self.rng().integers(2**31)))
        trial = study.ask()
        values = values_of(self.space, _Suggestions(trial, self.distributions))
        study.tell(trial, state=TrialState.FAIL)
        return values

    def sampled(self, seed: int) -> tuple[optuna.Study, Any]:
        """The study as it is now, and its sampler; a study forgets its cache only when it asks."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a setting is experimental
            sampler = self.sampler(seed)
            name = self.storage.get_study_name_from_id(self.study_id)
            study = optuna.load_study(study_name=name, storage=self.storage, sampler=sampler)
        return study, sampler

    def begin(self, number: int, values: Values) -> None:
        """Add a running trial."""
        super().begin(number, values)
        self.ids[number] = self._add(number, values)

    def end(self, number: int, scores: Scores | None) -> None:
        """Tell the trial's scores, and be done with it."""
        super().end(number, scores)
        self.ids.pop(number, None)

    def learn(self, number: int, scores: Scores | None) -> Observation:
        """Tell the trial's scores, in the place of those that it was paused with."""
        learnt = super().learn(number, scores)
        if number in self.ids:  # else the study was made anew without it, for it was paused
            self._finish(self.ids[number], learnt)
        self._told += 1
        if self.limit is not None and self._told > _MARGIN * self.limit:
            self._open()
        return learnt

    def _open(self) -> None:
        """Make a study of a subset of what is known."""
        self._renew()
        over = self.over()
        shown = over if self.limit is None else subset(over, limit=self.limit)
        ids = {each.number: self._add(each.number, each.values) for each in shown}
        for each in shown:
            self._finish(ids[each.number], each)
        self.ids = {number: ids[number] for number in self.ids if number in ids}
        self.ids |= {number: self._add(number, values) for number, values in self.pending.items()}
        self._told = len(shown)

    def _renew(self) -> None:
        """Make an empty study."""
        self.storage = InMemoryStorage()
        directions = [StudyDirection.MAXIMIZE] * self.terms.objectives
        self.study_id = self.storage.create_new_study(directions)

    def _add(self, number: int, values: Values) -> int:
        """Add a running trial, and say under which id."""
        active = {e.name: e.number(values[e.name]) for e in self.coordinates if e.name in values}
        numbers = {**self.inactive(number), **active}
        trial = create_trial(
            state=TrialState.RUNNING,
            params=numbers,
            distributions={name: self.distributions[name] for name in numbers},
        )
        return self.storage.create_new_trial(self.study_id, template_trial=trial)

    def _finish(self, trial_id: int, observation: Observation) -> None:
        """Tell how a trial went; what was told of it before is taken back."""
        known = copy(self.storage.get_trial(trial_id))
        if known.state.is_finished():
            known.state, known.values = TrialState.RUNNING, None
            known.intermediate_values = {}
            self.storage._set_trial(trial_id, known)  # Optuna itself has no word for it
        scores = observation.scores
        state = TrialState.COMPLETE
        if scores is None:
            state = TrialState.FAIL
        elif self.stops(observation):
            state = TrialState.PRUNED
            self.storage.set_trial_intermediate_value(trial_id, observation.epoch, scores[0])
        self.storage.set_trial_state_values(trial_id, state, scores)


class TPE(Optuna):
    """Multivariate TPE, in groups of parameters that are active together; it knows pruned trials.

    Pending trials count among the bad ones, the sampler's constant liar.
    """

    limit = 500

    def sampler(self, seed: int) -> BaseSampler:
        """TPE as the library sets it, with groups where parameters depend on others."""
        conditional = any(each.when is not None for each in self.space.parameters)
        return TPESampler(seed=seed, multivariate=True, group=conditional, constant_liar=True)

    def inactive(self, number: int) -> Mapping[str, Any]:
        """None: this sampler knows conditions."""
        return {}

    def stops(self, observation: Observation) -> bool:
        """Stopped trials are pruned: they rank below the complete ones, and by their epoch."""
        stopped = 0 < observation.epoch < self.terms.max_epochs
        return stopped and self.terms.objectives == 1


class GP(Optuna):
    """Expected improvement of a Gaussian process, or of its hypervolume; it knows running trials.

    A parameter that is not active stands at the middle of its range; by itself the sampler would
    draw every parameter that has a condition at random.
    """

    limit = 120

    def __init__(self, terms: Terms) -> None:
        importlib.import_module("torch")  # the sampler would miss it only at the tenth trial
        super().__init__(terms)

    def sampler(self, seed: int) -> BaseSampler:
        """The process as the library sets it."""
        return GPSampler(seed=seed, warn_independent_sampling=False)


class _Suggestions(Mapping[str, Any]):
    """What a trial suggests for the coordinates it is asked for."""

    def __init__(self, trial: optuna.Trial, distributions: Mapping[str, BaseDistribution]) -> None:
        self._trial = trial
        self._distributions = distributions

    def __getitem__(self, name: str) -> Any:
        match self._distributions[name]:
            case CategoricalDistribution(choices=choices):
                return self._trial.suggest_categorical(name, choices)
            case IntDistribution(low=low, high=high, log=log):
                return self._trial.suggest_int(name, low, high, log=log)
            case FloatDistribution(low=low, high=high, log=log):
                return self._trial.suggest_float(name, low, high, log=log)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._distributions)

    def __len__(self) -> int:
        return len(self._distributions)


def _distribution(coordinate: Coordinate) -> BaseDistribution:
    """A coordinate as Optuna knows it."""
    match coordinate.kind:
        case "option":
            return CategoricalDistribution(range(coordinate.size))
        case "real":
            return FloatDistribution(coordinate.low, coordinate.high, log=coordinate.log)
        case _:
            low, high = int(coordinate.low), int(coordinate.high)
            return IntDistribution(low, high, log=coordinate.log)
