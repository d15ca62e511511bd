"""How many labels are wrong? By those that confident predictions of held-out rows contradict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from raygen.rank.diagnosis import Diagnosis
from raygen.rank.rows import Rows

_SURE = 0.25
"""The share of the rows with the surest predictions."""
_FEWEST = 100
"""Of these at least so many, or half of the rows."""
_LEAST = 0.03
"""Wrong labels that are worth a word."""
_MOST = 0.3
"""Contradictions among the surest predictions from which they are no evidence."""
_LEARNT = 0.6
"""Errors of all predictions, of those of the most frequent class, from which nothing is learnt."""
_LEVEL = 0.05
_UNSURE = 0.1
"""Errors that the surest predictions are spared, from which it is the learner that is too weak."""


@dataclass(frozen=True)
class Noise:
    """What out-of-fold predictions say of the labels."""

    share: float
    """Of labels that are wrong, by the confident joint."""
    sure: float
    """The share of labels that the surest predictions contradict."""
    all: float
    """The share that all predictions contradict."""
    count: int
    """Rows with the surest predictions."""


def label_noise(rows: Rows) -> Diagnosis | None:
    """Say that labels are wrong, where it is not the learner that is.

    Classes that overlap, and a learner that is too weak, make errors where it is unsure: its surest
    predictions are right. Wrong labels contradict these too, as often as all others. So it is said
    only if the surest quarter of the predictions is contradicted nearly as often as all of them,
    and more often than chance would do it with three wrong labels in a hundred. How many are wrong
    is told by the confident joint or by these, whichever says fewer: both count errors of the
    learner too.
    """
    if rows.regression or not rows.deals:
        return None
    noise = measure_noise(rows.y, rows.predictions)
    wrong = round(noise.sure * noise.count)
    chance = float(special.betainc(wrong, noise.count - wrong + 1, _LEAST)) if wrong else 1.0
    steady = max(0.5 * noise.all, noise.all - _UNSURE) <= noise.sure <= _MOST
    guessed = 1 - float(np.bincount(rows.y).max()) / len(rows.y)
    if chance > _LEVEL or not steady or noise.all > _LEARNT * guessed:
        return None
    share = min(noise.share, noise.sure)
    told = (
        f"about {100 * share:.0f} % of {len(rows.y)} labels may be wrong: confident learning says"
    )
    sure = f"{100 * noise.sure:.0f} % of a simple learner's surest predictions contradict theirs"
    return Diagnosis("label noise", f"{told} {100 * noise.share:.0f} %, and {sure}")


def measure_noise(y: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Noise:
    """Measure how far out-of-fold predictions contradict the labels.

    The share is that of the confident joint (C. Northcutt, L. Jiang, I. Chuang: Confident learning,
    JAIR 70, 2021, equations 1 to 3). A row labelled i counts for class j, the most probable of
    those with p_j(x) >= t_j, where t_j is the mean of p_j(x) over the rows labelled j. These
    counts, scaled so that each label has as many rows as there are, are the joint distribution of
    given and true labels; the share is what lies off its diagonal.

    Args:
        y: The labels.
        probabilities: One line a row, one column a class; lines of NaN are left out.
    """
    known = ~np.isnan(probabilities).any(axis=1)
    y, p = y[known], probabilities[known]
    present = np.unique(y)
    thresholds = np.full(p.shape[1], np.inf)
    thresholds[present] = [p[y == label, label].mean() for label in present]
    confident = np.where(p >= thresholds, p, -1.0)
    guess = np.where(confident.max(axis=1) > 0, confident.argmax(axis=1), -1)
    wrong = 0.0
    for label in present:
        counted = guess[(y == label) & (guess >= 0)]
        off = float(np.mean(counted != label)) if len(counted) else 0.0
        wrong += off * float(np.mean(y == label))
    contradicted = p.argmax(axis=1) != y
    count = max(round(_SURE * len(y)), min(_FEWEST, len(y) // 2), 1)
    sure = np.argsort(-p.max(axis=1), kind="stable")[:count]
    return Noise(wrong, float(contradicted[sure].mean()), float(contradicted.mean()), len(sure))
