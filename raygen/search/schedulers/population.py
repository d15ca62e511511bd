"""Population based training: a weak trial goes on from a strong one's weights, with new values.

Jaderberg et al. 2017 (arXiv 1711.09846).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ray.tune.experiment import Trial
from ray.tune.schedulers import PopulationBasedTraining, TrialScheduler
from ray.tune.schedulers.pbt import _PBTTrialState

from raygen.config.space import Value
from raygen.search.schedulers.explore import mutated
from raygen.search.schedulers.rungs import interval
from raygen.search.schedulers.terms import SchedulerTerms, name_of

QUANTILE = 0.25
"""The worst quarter of the population learns from the best."""


def pbt(terms: SchedulerTerms) -> TrialScheduler:
    """Ten looks at the population, or one each epoch."""
    return MovingPBT(terms)


class Population:
    """What Ray's PBT needs to work with a searcher, a journal and whole moves.

    In Ray's own, a searcher is refused; values leave their ranges; a trial may be sent back to an
    earlier epoch; and configuration, checkpoint and donor are changed one after the other, so
    that a failure in between leaves a trial that never was. Here ``terms.move`` does all or
    nothing, donors are never behind, and they are strictly better.
    """

    _terms: SchedulerTerms
    _trial_state: dict[Trial, Any]
    _metric: str
    _seen: dict[str, int]
    _recalled: dict[str, Sequence[float]]

    def _prepare(self, terms: SchedulerTerms) -> None:
        assert terms.move is not None, "who mutates needs a way to move a trial"
        self._terms, self._move = terms, terms.move
        self._mutable = terms.mutable_parameters()
        self._every = interval(terms)
        self._seen, self._recalled, self._num_moves = {}, {}, 0

    def recall(self, trial_id: str, rewards: Sequence[float], *, over: bool = True) -> None:
        """Let a trial of an earlier session go on behind these epochs; higher is better.

        Who is over is no donor any more.
        """
        if not over:
            self._recalled[trial_id] = rewards
            self._seen[trial_id] = len(rewards)

    def on_trial_add(self, controller: Any, trial: Trial) -> None:
        """Make it one of the population; Ray's own refuses what a searcher proposes."""
        state = self._trial_state[trial] = _PBTTrialState(trial)
        rewards = self._recalled.pop(name_of(trial), ())
        milestone = len(rewards) // self._every * self._every
        if milestone:
            state.last_perturbation_time = state.last_train_time = milestone
            state.last_score = rewards[milestone - 1]

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Look at the population when an interval is over."""
        name, epoch = name_of(trial), int(result["epoch"])
        if not math.isfinite(result[self._metric]):
            return str(TrialScheduler.STOP)
        if epoch <= self._seen.get(name, 0):  # told once more after a restart
            return str(TrialScheduler.CONTINUE)
        self._seen[name] = epoch
        return str(super().on_trial_result(controller, trial, result))  # type: ignore[misc]

    def on_trial_complete(self, controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Let go of a trial that is over."""
        self._trial_state.pop(trial, None)

    def on_trial_error(self, controller: Any, trial: Trial) -> None:
        """Let go of a trial whose worker died; if it is tried again, it is added again."""
        known = self._trial_state.pop(trial, None)
        if known is not None and known.last_score is not None:
            epochs = self._seen.get(name_of(trial), 0)
            self._recalled[name_of(trial)] = [known.last_score] * epochs

    def on_trial_remove(self, controller: Any, trial: Trial) -> None:
        """Let go of a trial that was stopped while it waited."""
        self._trial_state.pop(trial, None)

    def _quantiles(self) -> tuple[list[Trial], list[Trial]]:
        """The worst and the best quarter of those that were looked at and are not over."""
        states = self._trial_state
        ranked = [trial for trial, state in states.items() if state.last_score is not None]
        ranked.sort(key=lambda trial: float(states[trial].last_score))
        size = min(math.ceil(len(ranked) * QUANTILE), len(ranked) // 2)
        return ranked[:size], ranked[len(ranked) - size :]

    def _checkpoint_or_exploit(
        self, trial: Trial, controller: Any, upper: list[Trial], lower: list[Trial]
    ) -> None:
        """Move a trial of the lower quantile to one of the upper; RayGen's trials save themselves.

        Called by Ray when an interval of the trial is over.
        """
        state = self._trial_state[trial]
        donors = [
            each
            for each in upper
            if self._trial_state[each].last_train_time >= state.last_train_time
            and self._trial_state[each].last_score > state.last_score
        ]
        if trial not in lower or not donors:
            return
        rng = np.random.default_rng((self._terms.seed, self._num_moves))
        donor = donors[int(rng.integers(len(donors)))]
        self._exploit(controller, trial, donor)

    def _exploit(self, controller: Any, trial: Trial, donor: Trial) -> None:
        """Do the one move, or leave all as it is."""
        state, better = self._trial_state[trial], self._trial_state[donor]
        rng = np.random.default_rng((self._terms.seed, self._num_moves, 1))
        values = self._explored(trial, donor, rng)
        self._terms.space.validate(values)
        config = self._move(trial, donor, int(better.last_train_time), values)
        if config is None:
            return
        controller.pause_trial(trial, should_checkpoint=False)
        trial.set_config(config)
        state.last_perturbation_time = better.last_perturbation_time
        state.last_train_time, state.last_score = better.last_train_time, better.last_score
        self._seen[name_of(trial)] = int(better.last_train_time)
        self._num_moves += 1

    def _explored(self, trial: Trial, donor: Trial, rng: np.random.Generator) -> dict[str, Value]:
        """The donor's values, moved a little or drawn anew."""
        return mutated(self._values(donor), self._mutable, rng)

    def _values(self, trial: Trial) -> Mapping[str, Value]:
        return self._terms.values_of(trial)


class MovingPBT(Population, PopulationBasedTraining):  # type: ignore[misc]  # Ray has no types
    """Ray's PBT with whole moves."""

    def __init__(self, terms: SchedulerTerms) -> None:
        super().__init__(
            time_attr="epoch",
            perturbation_interval=interval(terms),
            custom_explore_fn=dict,  # Ray wants one, and never gets to call it
            quantile_fraction=QUANTILE,
            log_config=False,
        )
        self._prepare(terms)
