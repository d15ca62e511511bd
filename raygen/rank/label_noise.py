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
_BETTER = 0.9
"""Errors of all predictions, of those of the most frequent class, from which it only guesses."""
_LEVEL = 0.05
_FLAT = 0.7
"""Contradictions of the surest tenth, of those of the surest quarter, from which they have stopped
falling: two normal classes whose surest tenth is wrong as often as ``_MOST_FLAT`` have 0.7, and
fewer the less they overlap."""
_MOST_FLAT = 0.13
_FEWEST_FLAT = 1000
_ADMITS = 0.05
"""Errors that the surest predictions expect of themselves, of those that are there, without which
they are only sure."""
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

    def is_plain(self, guessed: float) -> bool:
        """Whether it is the labels that are wrong, and not the learner that is weak.

        Args:
            guessed: Errors of saying the most frequent class.
        """
        steady = max(0.5 * self.all, self.all - _UNSURE) <= self.sure <= _MOST
        wrong = round(self.sure * self.count)
        return steady and self.all <= _LEARNT * guessed and _chance(wrong, self.count) <= _LEVEL

    def told(self, whose: str, rows: int) -> str:
        """The evidence in words."""
        share, both = min(self.share, self.sure), f"confident learning says {100 * self.share:.0f}"
        sure = f"{100 * self.sure:.0f} % of {whose} contradict theirs"
        return f"about {100 * share:.0f} % of {rows} labels may be wrong: {both} %, and {sure}"


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
    if not noise.is_plain(1 - float(np.bincount(rows.y).max()) / len(rows.y)):
        return None
    told = noise.told("a simple learner's surest predictions", len(rows.y))
    return Diagnosis("label noise", told)


def suspected_noise(y: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Diagnosis | None:
    """Say that labels are wrong by what a candidate says of all held-out rows.

    It has learnt more than a simple learner, from all rows. So that is also taken as evidence which
    only many rows can show: where classes overlap, predictions are right more often the surer they
    are, up to the surest of all; wrong labels contradict these as often as those less sure. It is
    said if the surest tenth is contradicted more often than chance would do it with three wrong
    labels in a hundred, and more often than with ``_FLAT`` of what the surest quarter has.
    Nothing is said of networks that are sure of everything, for they do not tell rows apart.

    Args:
        y: The labels.
        probabilities: One line a row, one column a class, by networks that have not seen it.
    """
    sure = probabilities.max(axis=1)
    surest = np.argsort(-sure, kind="stable")[: max(len(y) // 10, 1)]
    wrong = int((probabilities[surest].argmax(axis=1) != y[surest]).sum())
    tenth = wrong / len(surest)
    if 1 - sure[surest].mean() < _ADMITS * tenth:
        return None
    noise = measure_noise(y, probabilities)
    guessed = 1 - float(np.bincount(y).max()) / len(y)
    if noise.is_plain(guessed):
        return Diagnosis("label noise suspected", noise.told("its surest predictions", len(y)))
    if len(y) < _FEWEST_FLAT or noise.all > _BETTER * guessed or not 0 < tenth <= _MOST_FLAT:
        return None
    if _chance(wrong, len(surest), max(_LEAST, _FLAT * noise.sure)) > _LEVEL:
        return None
    told = f"about {100 * tenth:.0f} % of {len(y)} labels may be wrong: so many contradict its"
    return Diagnosis(
        "label noise suspected",
        f"{told} surest tenth of predictions, and {100 * noise.sure:.0f} % its surest quarter",
    )


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


def _chance(wrong: int, count: int, share: float = _LEAST) -> float:
    """How probable so many wrong ones or more are, of so many with this share of them."""
    return float(special.betainc(wrong, count - wrong + 1, share)) if wrong else 1.0
