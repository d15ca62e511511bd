"""Optuna's samplers that breed a next generation: CMA-ES, NSGA-II and NSGA-III.

What they note on the trials they sample is noted when a trial begins, so trials of an earlier
session and of other origin take part like any other.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from optuna.samplers import BaseSampler, CmaEsSampler, NSGAIIISampler, NSGAIISampler
from optuna.trial import FrozenTrial, TrialState

from raygen.search.strategies.coordinates import values_of
from raygen.search.strategies.optuna import Optuna
from raygen.search.strategies.strategy import Scores, Terms, Values
from raygen.search.strategies.subset import Observation

_POPULATION = 50
"""The library's own population; of 50 trials it would draw each at random."""
_FULL = 250
"""Trials of a study from which on old generations are forgotten."""
_GENERATION, _OPTIMIZER = "cma:generation", "cma:optimizer:0"
"""Names under which the library's CMA-ES notes on a trial what it needs later."""


class Generational(Optuna):
    """A sampler that reads its last generations only: the study forgets the ones before.

    What is proposed depends neither on what is forgotten nor on when.
    """

    def __init__(self, terms: Terms) -> None:
        self._full = _FULL
        super().__init__(terms)

    def needed(self) -> list[FrozenTrial]:
        """The complete trials that the sampler may still read."""
        raise NotImplementedError

    def forget(self) -> Mapping[int, int]:
        """Make the study anew if it is full, and say which id of the old one is which now."""
        if self.storage.get_n_trials(self.study_id) < self._full:
            return {}
        running = [self.storage.get_trial(each) for each in self.ids.values()]
        kept = {each.number: each for each in [*self.needed(), *running]}
        self._renew()
        ids = {
            kept[number]._trial_id: self.storage.create_new_trial(self.study_id, kept[number])
            for number in sorted(kept)
        }
        self.ids = {number: ids[old] for number, old in self.ids.items()}
        self._full = max(_FULL, 2 * len(kept))
        return ids


class CMAES(Generational):
    """CMA-ES, for numbers without conditions."""

    def __init__(self, terms: Terms) -> None:
        importlib.import_module("cmaes")  # the sampler would miss it only at the second trial
        super().__init__(terms)

    def sampler(self, seed: int) -> BaseSampler:
        """CMA-ES as the library sets it."""
        return CmaEsSampler(seed=seed, warn_independent_sampling=False)

    def propose(self) -> Values:
        """Sample for the study's first trial, which is never over.

        The number of a trial is part of the sampler's seed; so it may not depend on how many were
        asked for.
        """
        return values_of(self.space, self._sample(0, int(self.rng().integers(2**31))))

    def begin(self, number: int, values: Values) -> None:
        """Add a running trial with the generation it belongs to, and the optimizer's state."""
        super().begin(number, values)
        self._sample(self.ids[number], self.terms.seed)  # for what it notes on the trial

    def learn(self, number: int, scores: Scores | None) -> Observation:
        """Tell the trial's scores."""
        learnt = super().learn(number, scores)
        self.forget()
        return learnt

    def needed(self) -> list[FrozenTrial]:
        """Those since the optimizer's state was last noted on a trial that is complete."""
        trials = self.storage.get_all_trials(self.study_id, False, [TrialState.COMPLETE])
        noted = [e.system_attrs[_GENERATION] for e in trials if _OPTIMIZER in e.system_attrs]
        if not noted:
            return trials
        return [each for each in trials if each.system_attrs.get(_GENERATION, -1) >= noted[-1]]

    def _renew(self) -> None:
        super()._renew()
        self.storage.create_new_trial(self.study_id)

    def _sample(self, trial_id: int, seed: int) -> dict[str, Any]:
        study, sampler = self.sampled(seed)
        trial = self.storage.get_trial(trial_id)
        numbers: dict[str, Any] = sampler.sample_relative(
            study, trial, sampler.infer_relative_search_space(study, trial)
        )
        return numbers


class NSGAII(Generational):
    """NSGA-II with a population that leaves room for generations within the budget.

    A parameter that is not active has a number too, drawn for the trial, as a gene that is not
    expressed; by itself the sampler would draw every parameter that has a condition at random.
    """

    kind: Callable[..., NSGAIISampler | NSGAIIISampler] = NSGAIISampler

    def __init__(self, terms: Terms) -> None:
        budget = terms.trials or 8 * _POPULATION
        self._population = min(max(budget // 8, 8), _POPULATION)
        self._generation = 0
        super().__init__(terms)

    def sampler(self, seed: int) -> NSGAIISampler | NSGAIIISampler:
        """The library's sampler of a smaller population."""
        return self.kind(seed=seed, population_size=self._population)

    def inactive(self, number: int) -> Mapping[str, Any]:
        """Draw numbers for all."""
        rng = np.random.default_rng((self.terms.seed, number))
        return {each.name: each.number(each.domain.sample(rng)) for each in self.coordinates}

    def begin(self, number: int, values: Values) -> None:
        """Add a running trial with the generation it belongs to."""
        super().begin(number, values)
        study, sampler = self.sampled(self.terms.seed)
        sampler.get_trial_generation(study, self.storage.get_trial(self.ids[number]))

    def learn(self, number: int, scores: Scores | None) -> Observation:
        """Tell the trial's scores, and choose the parents of the next generation in time.

        By itself the sampler would choose them for the next proposal, which after a resume is
        another one.
        """
        learnt = super().learn(number, scores)
        study, sampler = self.sampled(self._generation)
        if len(sampler.get_population(study, self._generation)) >= self._population:
            self._generation += 1
            sampler.get_parent_population(study, self._generation)
        self.forget()
        return learnt

    def needed(self) -> list[FrozenTrial]:
        """The parents, and the last two generations: from these the library tells the next one."""
        study, sampler = self.sampled(self._generation)
        return [
            *sampler.get_parent_population(study, self._generation),
            *sampler.get_population(study, self._generation - 1),
            *sampler.get_population(study, self._generation),
        ]

    def forget(self) -> Mapping[int, int]:
        """Hand the parents, which the library notes on the study, to the next study."""
        notes = self.storage.get_study_system_attrs(self.study_id)
        ids = super().forget()
        for key, parents in notes.items():
            if ids and key.endswith(f":parent:{self._generation}"):
                now = [ids[each] for each in parents]
                self.storage.set_study_system_attr(self.study_id, key, now)
        return ids


class NSGAIII(NSGAII):
    """NSGA-III, whose reference points keep a front of many objectives spread out."""

    kind = NSGAIIISampler
