"""What is wrong with a candidate, in numbers, as far as its trainings tell?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from raygen.rank.statistics import residual_spread
from raygen.runs.records import FoldResult

_GAP = 2.0
"""Validation loss over training loss from which a candidate fits the rows rather than the task."""
_LOSS = 0.05
"""Difference of losses that is not worth a word."""
_LOST = 0.25
"""The share of the loss of guessing that over-fitting must cost to be worth a word: networks that
are right of nearly all held-out rows are ten times as sure of their own."""
_GUESSED = 0.9
"""The share of the loss of guessing from which nothing is learnt."""
_LEVEL = 0.05


@dataclass(frozen=True)
class Diagnosis:
    """One thing that is wrong."""

    verdict: str
    """A few words, such as ``over-fitting``; docs/ranking.md lists them all."""
    evidence: str
    """The numbers that say so."""


@dataclass(frozen=True, kw_only=True)
class Patient:
    """What is known of a candidate."""

    curve: Sequence[float]
    """Its score after each epoch in the search, higher being better."""
    sign: int
    """-1 where a lower metric is better, which the numbers are told in."""
    results: Sequence[FoldResult]
    scores: Sequence[float]
    """By fold, higher being better."""
    tied: bool
    """Whether it cannot be told from the best."""
    guess: float | None = None
    """The log loss of guessing by the shares of the classes; None where there are none."""


def diagnose(patients: Sequence[Patient], place: int, *, rope: float) -> tuple[Diagnosis, ...]:
    """Look at the curve in the search, the losses, and the spread over folds.

    Args:
        patients: All candidates, the one with the best mean first.
        place: The one to look at.
        rope: Differences up to it are none in practice; nor are those that are usual between folds.
    """
    patient = patients[place]
    spreads = [np.var(each.scores, ddof=1) for each in patients if len(each.scores) > 1]
    noise = math.sqrt(float(np.mean(spreads))) if spreads else 0.0  # of all: two folds tell little
    others = [each.scores for other, each in enumerate(patients) if other != place]
    found = (
        _past_its_best(patient, max(rope, 2 * noise)),
        _loss_gap(patient),
        _guessing(patient),
        _too_simple(patient, patients[0]),
        _still_rising(patient, max(rope, noise)),
        _unstable(patient.scores, others),
    )
    return tuple(each for each in found if each is not None)


def _past_its_best(patient: Patient, least: float) -> Diagnosis | None:
    curve = np.asarray(patient.curve)
    if len(curve) < 3:
        return None
    best = int(curve.argmax())
    if curve[best] - curve[-1] <= least:
        return None
    tops, last = patient.sign * curve[best], patient.sign * curve[-1]
    told = f"best after epoch {best + 1} of {len(curve)} ({tops:.4g}), at the end {last:.4g}"
    return Diagnosis("over-fitting", told)


def _loss_gap(patient: Patient) -> Diagnosis | None:
    losses = _losses(patient)
    if losses is None:
        return None
    training, validation = losses
    least = max(_LOSS, _LOST * (patient.guess or 0.0))
    if validation < _GAP * training or validation - training < least:
        return None
    told = f"log loss {training:.3g} on the training rows, {validation:.3g} on the held-out ones"
    return Diagnosis("over-fitting", told)


def _guessing(patient: Patient) -> Diagnosis | None:
    losses = _losses(patient)
    if losses is None or not patient.guess or min(losses) < _GUESSED * patient.guess:
        return None
    told = f"log loss {losses[0]:.3g} on its own training rows, {losses[1]:.3g} on held-out ones"
    return Diagnosis(
        "hardly better than guessing", f"{told}, where guessing has {patient.guess:.3g}"
    )


def _too_simple(patient: Patient, best: Patient) -> Diagnosis | None:
    losses, reached = _losses(patient), _losses(best)
    if losses is None or reached is None or patient.tied:
        return None
    training, validation = losses
    if training < 0.9 * validation or training < reached[1] + _LOSS:
        return None
    told = f"log loss {training:.3g} on its own training rows, where the best has {reached[1]:.3g}"
    return Diagnosis("under-fitting", f"{told} on held-out ones")


def _losses(patient: Patient) -> tuple[float, float] | None:
    """The mean log loss at the end on training and on held-out rows; None if it has none."""
    ends = [each.metrics for each in patient.results]
    if not all({"train_loss", "log_loss"} <= set(end) for end in ends):
        return None
    training = float(np.mean([end["train_loss"] for end in ends]))
    return training, float(np.mean([end["log_loss"] for end in ends]))


def _still_rising(patient: Patient, least: float) -> Diagnosis | None:
    """Whether the means of the last two quarters of the epochs differ by enough."""
    curve, quarter = np.asarray(patient.curve), len(patient.curve) // 4
    if not quarter:
        return None
    before, last = curve[-2 * quarter : -quarter].mean(), curve[-quarter:].mean()
    if last - before <= least:
        return None
    old, new = patient.sign * before, patient.sign * last
    span = f"the last {quarter} epochs" if quarter > 1 else "the last epoch"
    told = f"{span} of {len(curve)} brought it from {old:.4g} to {new:.4g}"
    return Diagnosis("not converged", told)


def _unstable(scores: Sequence[float], others: Sequence[Sequence[float]]) -> Diagnosis | None:
    """Whether it spreads more than three others or more do: a test of two variances, F.

    The folds differ in difficulty for all, so what counts is the distance to the others' mean of
    each fold; and its scores themselves must spread more than those of any other.
    """
    count = len(scores)
    block = np.array([each[:count] for each in others if len(each) >= count], dtype=float)
    if count < 3 or len(block) < 3 or np.std(scores) <= block.std(axis=1).max():
        return None
    usual, freedom = residual_spread(block)
    own = np.asarray(scores) - block.mean(axis=0)
    spread = float(own.std(ddof=1)) / np.sqrt(1 + 1 / len(block))
    if usual == 0.0:
        return None
    quantile = float(special.fdtri(count - 1, freedom, 1 - _LEVEL / (len(others) + 1)))
    if (spread / usual) ** 2 <= quantile:
        return None
    told = f"standard deviation {spread:.2g} over {count} folds, {usual:.2g} of the others"
    return Diagnosis("unstable over folds", told)
