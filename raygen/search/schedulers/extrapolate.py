"""Ends a trial whose learning curve will hardly get better than the best so far.

After Domhan et al. 2015, "Speeding up automatic hyperparameter optimization of deep neural
networks by extrapolation of learning curves", with families whose only nonlinear number stands on
a grid: each member is then a Bayesian linear regression in closed form, no Markov chain is run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from scipy.special import stdtr

from raygen.search.schedulers.terms import SchedulerTerms, name_of

Array = NDArray[np.float64]

_LEAST_EPOCHS = 4
"""A line and its error need three points; one more to tell the families apart."""
_LEAST_CHANCE = 0.05
_POWERS = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
_DECAYS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""As shares of the full length."""
_WIDTH = 3.0
"""Prior deviation of level and slope, in units of the curve's own deviation."""
_EVIDENCE = 8.0
"""Epochs in a curve are not independent: all together they count as so many, the late ones most."""


def extrapolate(terms: SchedulerTerms) -> TrialScheduler:
    """Stop below a chance of five in a hundred."""
    return LearningCurveStop(terms)


class LearningCurveStop(FIFOScheduler):  # type: ignore[misc]  # Ray has no types
    """Compares where a curve will end with the best end of all trials before."""

    def __init__(self, terms: SchedulerTerms) -> None:
        super().__init__()
        self._max_epochs, self._sign = terms.max_epochs, terms.sign
        grace = terms.options.get("grace_epochs", math.ceil(terms.max_epochs / 9))
        self._first = max(_LEAST_EPOCHS, int(grace))
        self._curves: dict[str, list[float]] = {}
        self._best = -math.inf

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Take the name of the score and its direction."""
        self._metric, self._sign = metric or "score", -1.0 if mode == "min" else 1.0
        return True

    def recall(self, trial_id: str, rewards: Sequence[float], *, over: bool = True) -> None:
        """Know the end or the curve of a trial of an earlier session; higher is better."""
        if not over:
            self._curves[trial_id] = list(rewards)
        elif len(rewards) >= self._max_epochs:
            self._best = max(self._best, rewards[-1])

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Stop a trial that will hardly beat the best one."""
        if not math.isfinite(result[self._metric]):
            return str(TrialScheduler.STOP)
        curve = self._curves.setdefault(name_of(trial), [])
        if result["epoch"] <= len(curve):  # told once more after a restart
            return str(TrialScheduler.CONTINUE)
        curve.append(self._sign * result[self._metric])
        if len(curve) < self._first or math.isinf(self._best):
            return str(TrialScheduler.CONTINUE)
        hopeless = chance(curve, self._best, self._max_epochs) < _LEAST_CHANCE
        return str(TrialScheduler.STOP if hopeless else TrialScheduler.CONTINUE)

    def on_trial_complete(self, controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Take the end of a trial that came there."""
        self._curves.pop(name_of(trial), None)
        reward = self._sign * result.get(self._metric, math.nan)
        if result.get("epoch", 0) >= self._max_epochs and math.isfinite(reward):
            self._best = max(self._best, reward)

    def on_trial_remove(self, controller: Any, trial: Trial) -> None:
        """Let go of a trial that never ran."""
        self._curves.pop(name_of(trial), None)


def chance(curve: Sequence[float], best: float, max_epochs: int) -> float:
    """How likely a learning curve ends above a score, by the mixture of all families.

    Each family is ``level + slope * shape(epoch)``, with a normal-inverse-gamma prior, and has
    the weight of its evidence. What it predicts is a Student distribution (Murphy 2007,
    "Conjugate Bayesian analysis of the Gaussian distribution", and Bishop 2006, section 3.3).

    Args:
        curve: Scores of the epochs so far, at least three; higher is better.
        best: The score to beat at the last epoch.
        max_epochs: The last epoch.

    Returns:
        A probability.
    """
    scores = np.array(curve, dtype=float)
    center, deviation = scores.mean(), scores.std()
    if deviation < 1e-12 * max(1.0, abs(center)):  # has not moved, and so tells no scale
        return float(center >= best)
    y, target = (scores - center) / deviation, (best - center) / deviation
    shapes, ends = _shapes(len(scores), max_epochs)
    weight = _weights(len(scores))
    # moments of the regressions, for all families at once
    wx, n = weight * shapes, weight.sum()
    xx, x1, xy, y1 = (wx * shapes).sum(1), wx.sum(1), wx @ y, (weight * y).sum()
    prior = 1 / _WIDTH**2
    a, b, c = n + prior, x1, xx + prior
    determinant = a * c - b * b
    level, slope = (c * y1 - b * xy) / determinant, (a * xy - b * y1) / determinant
    rate = 0.5 * ((weight * y * y).sum() - level * y1 - slope * xy).clip(1e-9) + 0.005
    shape = 1.0 + n / 2
    log_evidence = -0.5 * np.log(determinant) - shape * np.log(rate)
    evidence = np.exp(log_evidence - log_evidence.max())
    mean = level + slope * ends
    spread = 1 + (c - 2 * b * ends + a * ends**2) / determinant
    z = (mean - target) / np.sqrt(rate / shape * spread)
    return float(evidence @ stdtr(2 * shape, z) / evidence.sum())


@lru_cache(maxsize=1024)
def _weights(epochs: int) -> Array:
    ages = np.arange(epochs)[::-1] / epochs
    weights = np.exp(-2.0 * ages)
    return np.asarray(weights * min(1.0, _EVIDENCE / weights.sum()))


@lru_cache(maxsize=1024)
def _shapes(epochs: int, max_epochs: int) -> tuple[Array, Array]:
    """All families at the epochs so far (families, epochs), in units of their own deviation.

    Returns:
        That, and their values at the last epoch (families,).
    """
    x = np.append(np.arange(1.0, epochs + 1), max_epochs)
    rows = [x**-power for power in _POWERS]
    rows += [np.exp(-x / (share * max_epochs)) for share in _DECAYS]
    rows += [np.log(x), x / max_epochs]
    shapes = np.array(rows)
    known = shapes[:, :-1]
    scale = np.maximum(known.std(axis=1, keepdims=True), 1e-12)
    shapes = (shapes - known.mean(axis=1, keepdims=True)) / scale
    return shapes[:, :-1], shapes[:, -1]
