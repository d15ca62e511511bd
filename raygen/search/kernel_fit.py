"""Which kernel makes the scores of a search most probable?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky
from scipy.optimize import minimize

from raygen.search.encoding import Array
from raygen.search.gaussian_process import JITTER, Kernel, Points

_LENGTH = (0.0, 1.0)
"""Mean and standard deviation of the prior of log(length scale / sqrt(parameters)); lengths that
grow with the root of the dimension are those of Hvarfner et al. 2024 (arXiv 2402.02229)."""
_AMPLITUDES = np.array([(0.0, 0.7), (0.0, 1.0), (0.5, 1.0), (-3.0, 1.2), (-6.0, 1.0)])
"""The same of the log variances: candidate, its curve, the common curve, trial, epoch."""
_ITERATIONS = 25


def fit(points: Points, scores: Array, group: NDArray[np.int64]) -> Kernel:
    """Find the most probable kernel for standardised scores (n,).

    Args:
        points: Where the scores were observed.
        scores: Of mean 0 and variance 1.
        group: For each column of the features the index of its parameter; the columns of one
            parameter share a length scale.
    """
    evidence = _Evidence(points, scores, group)
    low, high = evidence.mean - 4 * evidence.deviation, evidence.mean + 4 * evidence.deviation
    found = minimize(
        evidence,
        evidence.mean,
        jac=True,
        method="L-BFGS-B",
        bounds=np.stack([low, high], axis=1),
        options={"maxiter": _ITERATIONS},
    )
    return evidence.kernel(found.x)


class _Evidence:
    """The negative log posterior of a kernel's logarithmic parameters, and its gradient."""

    def __init__(self, points: Points, scores: Array, group: NDArray[np.int64]) -> None:
        self._scores, self._group = scores, group
        size, count = int(group.max()) + 1, len(scores)
        self._size, self._count = size, count
        apart = np.zeros((size, count, count))
        for column, index in enumerate(group):
            apart[index] += (
                np.subtract.outer(points.features[:, column], points.features[:, column]) ** 2
            )
        self._apart = apart.reshape(size, count * count)
        self._distance = np.minimum.outer(points.distance, points.distance)
        self._same = np.equal.outer(points.trial, points.trial).astype(float)
        length = _LENGTH[0] + 0.5 * math.log(size)
        self.mean = np.concatenate([np.full(size, length), _AMPLITUDES[:, 0]])
        self.deviation = np.concatenate([np.full(size, _LENGTH[1]), _AMPLITUDES[:, 1]])

    def kernel(self, logarithms: Array) -> Kernel:
        """The kernel of these parameters."""
        values = np.exp(logarithms)
        candidate, curve, common, trial, epoch = values[self._size :].tolist()
        return Kernel(
            lengths=values[: self._size][self._group],
            candidate=candidate,
            curve=curve,
            common=common,
            trial=trial,
            epoch=epoch,
        )

    def __call__(self, logarithms: Array) -> tuple[float, Array]:
        """Rasmussen and Williams 2006, formulas 5.8 and 5.9, and the normal prior."""
        squares = np.exp(-2 * logarithms[: self._size])
        candidate, curve, common, trial, epoch = np.exp(logarithms[self._size :])
        root = np.sqrt(5 * (squares @ self._apart)).reshape(self._count, self._count)
        fading = np.exp(-root)
        likeness = (1 + root + root * root / 3) * fading
        amplitude = candidate + curve * self._distance
        covariance = likeness * amplitude + common * self._distance + trial * self._same + 1.0
        covariance[np.diag_indices(self._count)] += epoch + JITTER
        off = (logarithms - self.mean) / self.deviation
        try:
            factor = cholesky(covariance, lower=True, check_finite=False)
        except np.linalg.LinAlgError:  # a step of the search that went too far
            return 1e10, np.zeros_like(logarithms)
        inverse = cho_solve((factor, True), np.eye(self._count), check_finite=False)
        weights = inverse @ self._scores
        loss = 0.5 * self._scores @ weights + np.log(np.diag(factor)).sum() + 0.5 * off @ off
        slope = inverse - np.outer(weights, weights)
        fall = (5 / 6) * (1 + root) * fading * amplitude * slope
        alike = slope * likeness
        gradient = np.concatenate(
            [
                squares * (self._apart @ fall.ravel()),
                [0.5 * candidate * alike.sum()],
                [0.5 * curve * np.vdot(alike, self._distance)],
                [0.5 * common * np.vdot(slope, self._distance)],
                [0.5 * trial * np.vdot(slope, self._same)],
                [0.5 * epoch * np.trace(slope)],
            ]
        )
        return float(loss), gradient + off / self.deviation
