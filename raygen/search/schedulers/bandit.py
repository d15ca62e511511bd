"""Population based bandits: the new values of a moved trial are proposed by a Gaussian process.

Parker-Holder et al. 2020 (arXiv 2002.02518).
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.schedulers.pb2 import PB2
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from raygen.config.space import Choice, Value
from raygen.search.encoding import Axis
from raygen.search.schedulers.explore import mutated
from raygen.search.schedulers.population import QUANTILE, Population
from raygen.search.schedulers.rungs import interval
from raygen.search.schedulers.terms import SchedulerTerms

Array = NDArray[np.float64]

_MOST = 100
"""Newest intervals that the model learns from."""
_LEAST = 4
_NOISE = 1e-2
_CANDIDATES = 250
_LENGTHS = (0.1, 0.4, 1.6)
_FORGETTING = (0.03, 0.3)


def pb2(terms: SchedulerTerms) -> TrialScheduler:
    """As ``pbt``; numbers by the bandit, choices by mutation."""
    return MovingPB2(terms)


class MovingPB2(Population, PB2):  # type: ignore[misc]  # Ray has no types
    """Ray's PB2 with whole moves, in the unit cube of the space's own scales.

    Ray's own searches every range on a linear scale, a learning rate too, knows no steps and no
    choices, and takes seconds for a move in which the search stands still: it climbs by numeric
    gradients from one point at a time. Here the same model, with Ray's kernel, is asked for
    hundreds of points at once.
    """

    def __init__(self, terms: SchedulerTerms) -> None:
        self._axes = {
            each.name: Axis(each)
            for each in terms.mutable_parameters()
            if not isinstance(each.domain, Choice) and each.domain.size != 1
        }
        super().__init__(
            time_attr="epoch",
            perturbation_interval=interval(terms),
            hyperparam_bounds={name: [0.0, 1.0] for name in self._axes} or {"none": [0.0, 1.0]},
            quantile_fraction=QUANTILE,
            log_config=False,
        )
        self._prepare(terms)
        self._inputs: list[list[float]] = []
        """(epoch, score before, position...) of each interval of each trial."""
        self._gains: list[float] = []
        """What an epoch of that interval brought."""
        self._proposed: list[Array] = []
        """Positions given away since the population was last heard of at a later epoch."""
        self._newest = 0

    def _save_trial_state(
        self, state: Any, time: int, result: dict[str, Any], trial: Trial
    ) -> float:
        """Remember the score, and what was gained under which values since the last look."""
        score = float(self._metric_op * result[self._metric])
        if state.last_score is not None and time > state.last_train_time:
            gain = (score - state.last_score) / (time - state.last_train_time)
            self._inputs.append([time, state.last_score, *self._position(trial)])
            self._gains.append(gain)
        if time > self._newest:
            self._newest, self._proposed = time, []
        state.last_score, state.last_train_time, state.last_result = score, time, result
        return score

    def _explored(self, trial: Trial, donor: Trial, rng: np.random.Generator) -> dict[str, Value]:
        """The donor's values; numbers where the model hopes for the most."""
        values = mutated(self._values(donor), self._mutable, rng)
        if not self._axes or len(self._gains) < _LEAST:
            return values
        state = self._trial_state[donor]
        best = self._most_hopeful(np.array([state.last_train_time, state.last_score]), rng)
        self._proposed.append(best)
        return values | {
            name: axis.value(float(at))
            for (name, axis), at in zip(self._axes.items(), best, strict=True)
            if name in values
        }

    def _most_hopeful(self, start: Array, rng: np.random.Generator) -> Array:
        """The position of the highest upper confidence bound (algorithm 1 of the paper).

        Args:
            start: Epoch and score of the donor.
            rng: Draws the candidates.
        """
        inputs, gains = np.array(self._inputs[-_MOST:]), np.array(self._gains[-_MOST:])
        low, high = inputs[:, :2].min(axis=0), inputs[:, :2].max(axis=0)
        width = np.where(high > low, high - low, 1.0)
        inputs[:, :2] = (inputs[:, :2] - low) / width
        gains = np.clip((gains - gains.mean()) / (gains.std() + 1e-8), -2, 2)
        context = (start - low) / width
        points = rng.random((_CANDIDATES, 2 + len(self._axes)))
        points[:, :2] = context
        pending = np.array([[*context, *position] for position in self._proposed])
        hope = upper_bounds(inputs, gains, points, pending.reshape(-1, points.shape[1]))
        return np.asarray(points[int(hope.argmax()), 2:])

    def _position(self, trial: Trial) -> list[float]:
        """Where a trial's values lie; the middle for who is not active."""
        values = self._values(trial)
        return [
            float(axis.position(values[name])) if name in values else 0.5
            for name, axis in self._axes.items()
        ]


def upper_bounds(inputs: Array, gains: Array, points: Array, pending: Array) -> Array:
    """Upper confidence bounds of what an epoch brings, by a time-varying Gaussian process.

    The kernel is that of the paper (equation 3 and section 4.2) and of Ray; its length and its
    rate of forgetting have the highest likelihood on a grid.

    Args:
        inputs: Shape (n, 1 + features); the first column is time, from 0 to 1.
        gains: Shape (n,), standardised.
        points: Shape (m, 1 + features), where to tell.
        pending: Shape (k, 1 + features), where it will be known soon; narrows the bounds.

    Returns:
        Shape (m,).
    """
    apart = _distances(inputs, inputs)
    noise = _NOISE * np.eye(len(inputs))
    fits = []
    for length, forgets in product(_LENGTHS, _FORGETTING):
        factor = np.linalg.cholesky(_kernel(apart, length, forgets) + noise)
        white = solve_triangular(factor, gains, lower=True)
        likelihood = -0.5 * white @ white - np.log(np.diagonal(factor)).sum()
        fits.append((float(likelihood), length, forgets))
    _, length, forgets = max(fits)
    everything = np.concatenate((inputs, pending))
    apart = _distances(everything, everything)
    factor = np.linalg.cholesky(_kernel(apart, length, forgets) + _NOISE * np.eye(len(everything)))
    cross = _kernel(_distances(everything, points), length, forgets)
    known = cho_factor(_kernel(_distances(inputs, inputs), length, forgets) + noise)
    mean = cross[: len(inputs)].T @ cho_solve(known, gains)
    spread = 1.0 - (solve_triangular(factor, cross, lower=True) ** 2).sum(axis=0)
    weight = np.sqrt(0.2 + max(0.0, np.log(0.4 * len(gains))))
    return np.asarray(mean + weight * np.sqrt(spread.clip(0.0)))


def _distances(one: Array, other: Array) -> tuple[Array, Array]:
    """Between all rows of two matrices: in time, and squared in everything else."""
    times = np.abs(one[:, None, 0] - other[None, :, 0])
    return times, ((one[:, None, 1:] - other[None, :, 1:]) ** 2).sum(axis=2)


def _kernel(apart: tuple[Array, Array], length: float, forgets: float) -> Array:
    return np.asarray((1 - forgets) ** (apart[0] / 2) * np.exp(-apart[1] / length))
