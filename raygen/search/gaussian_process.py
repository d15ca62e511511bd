"""What will a candidate score at its last epoch, and how sure is that?

One Gaussian process over candidates and epochs: what is seen of short trainings says something
about long ones, as much as the data bear out. ``fit`` finds the kernel's parameters, and
``Posterior(kernel, points, scores).untried(features)`` predicts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.special import log_ndtr

from raygen.search.encoding import Array

JITTER = 1e-6
"""Added to the variances of scores, so that they stay apart numerically."""


@dataclass(frozen=True, kw_only=True)
class Points:
    """Where scores were, or could be, observed."""

    features: Array
    """(n, columns) of the candidates."""
    distance: Array
    """(n,) from the last epoch: 0 there and 1 at the first, on a log scale."""
    trial: NDArray[np.int64]
    """(n,) whose score it is."""

    def __len__(self) -> int:
        return len(self.distance)

    def at(self, rows: NDArray[np.int64]) -> Points:
        """Some of them."""
        return Points(
            features=self.features[rows], distance=self.distance[rows], trial=self.trial[rows]
        )

    def then(self, other: Points) -> Points:
        """These and others."""
        return Points(
            features=np.concatenate([self.features, other.features]),
            distance=np.concatenate([self.distance, other.distance]),
            trial=np.concatenate([self.trial, other.trial]),
        )


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """How alike the scores at two points are.

    With M a Matern 5/2 correlation of the candidates, d the lesser of the two distances from the
    last epoch, and [..] 1 where it holds and else 0, the covariance is

        M (candidate + curve d) + common d + trial [same trial] + epoch [same point] + 1

    So what a candidate scores at the last epoch is one surface, and what it scores before is that
    plus a random walk back in the log of the epoch (the forgetting of Swersky et al. 2014,
    arXiv 1406.3896, with the walk tied to the end). A trial's own deviation stays with it for all
    of its epochs. The 1 stands for an unknown mean of scores with unit variance.
    """

    lengths: Array
    """(columns,) of the features."""
    candidate: float
    curve: float
    common: float
    trial: float
    epoch: float

    def between(self, one: Points, other: Points) -> Array:
        """Covariances (n, m) of the scores at different points, noise of the epochs left out."""
        distance = np.minimum(one.distance[:, None], other.distance)
        covariance = self.likeness(one.features, other.features)
        covariance *= self.candidate + self.curve * distance
        covariance += self.common * distance
        covariance += self.trial * (one.trial[:, None] == other.trial)
        covariance += 1.0
        return covariance

    def likeness(self, one: Array, other: Array, *, kind: type = np.float64) -> Array:
        """Correlations (n, m) of candidates, given their features; computed in place for speed."""
        scale = math.sqrt(5) / self.lengths
        x: Array = (one * scale).astype(kind)
        z: Array = (other * scale).astype(kind)
        squared = x @ z.T
        squared *= -2
        squared += (x * x).sum(axis=1)[:, None]
        squared += (z * z).sum(axis=1)
        np.maximum(squared, 0, out=squared)
        root = np.sqrt(squared)
        squared /= 3
        squared += root
        squared += 1
        np.negative(root, out=root)
        squared *= np.exp(root, out=root)
        likeness: Array = squared
        return likeness


class Posterior:
    """A Gaussian process that has seen scores.

    Args:
        kernel: From ``fit``.
        points: Where they were observed.
        scores: (n,) standardised.
    """

    def __init__(self, kernel: Kernel, points: Points, scores: Array) -> None:
        self._kernel, self._points = kernel, points
        covariance = kernel.between(points, points)
        covariance[np.diag_indices(len(points))] += kernel.epoch + JITTER
        self._factor = cholesky(covariance, lower=True, check_finite=False)
        self._weights = cho_solve((self._factor, True), scores, check_finite=False)
        self._inverse: Array | None = None

    def of_trials(self, points: Points) -> tuple[Array, Array]:
        """Means and variances (n,) of the scores of known trials at the last epoch."""
        covariance = self._kernel.between(points, self._points)
        known = solve_triangular(self._factor, covariance.T, lower=True, check_finite=False)
        variance = self._kernel.candidate + self._kernel.trial + 1.0 - (known * known).sum(axis=0)
        return covariance @ self._weights, np.maximum(variance, 0.0)

    def believe(self, points: Points) -> None:
        """Take the means at some points for observed: no mean changes, but variances shrink.

        The "Kriging believer" of Ginsbourger et al. 2010, section 4.1.
        """
        kernel, before = self._kernel, len(self._points)
        across = kernel.between(points, self._points)
        known = solve_triangular(self._factor, across.T, lower=True, check_finite=False)
        rest = kernel.between(points, points) - known.T @ known
        rest[np.diag_indices(len(points))] += kernel.epoch + JITTER
        factor = np.zeros((before + len(points), before + len(points)))
        factor[:before, :before], factor[before:, :before] = self._factor, known.T
        factor[before:, before:] = cholesky(rest, lower=True, check_finite=False)
        self._factor, self._points = factor, self._points.then(points)
        self._weights = np.concatenate([self._weights, np.zeros(len(points))])
        self._inverse = None

    def untried(self, features: Array) -> tuple[Array, Array]:
        """Means and variances (n,) at the last epoch of candidates (n, columns) never tried.

        The deviation that each trial has of its own is left out of the variances.
        """
        kernel = self._kernel
        if self._inverse is None:
            inverse = solve_triangular(
                self._factor, np.eye(len(self._factor)), lower=True, check_finite=False
            )
            self._inverse = inverse.T.astype(np.float32)
        # single precision is twice as fast, and errs by less than the noise of any score
        alike = kernel.likeness(features, self._points.features, kind=np.float32)
        covariance = np.float32(kernel.candidate) * alike + np.float32(1.0)
        known = covariance @ self._inverse
        variance = kernel.candidate + 1.0 - np.square(known, out=known).sum(axis=1, dtype=float)
        return covariance @ self._weights, np.maximum(variance, 1e-6 * kernel.candidate)

    def likeness(self, one: Array, other: Array) -> Array:
        """Correlations (n, m) of candidates, given their features."""
        return self._kernel.likeness(one, other)


def log_expected_improvement(mean: Array, deviation: Array, best: float) -> Array:
    """The log of the expected improvement over ``best``, also where that is next to nothing.

    Ament et al. 2023 (arXiv 2310.20708), formula 9, with two terms of the asymptotic series.
    """
    z = (mean - best) / deviation
    near = np.maximum(z, -5.0)
    density = np.exp(-0.5 * near * near) / math.sqrt(2 * math.pi)
    inside = np.log(density + near * np.exp(log_ndtr(near)))
    far = np.minimum(z, -5.0)
    square = far * far
    tail = -0.5 * square - 0.5 * math.log(2 * math.pi) - np.log(square)
    outside = tail + np.log1p(-3 / square + 15 / square**2)
    logarithm: Array = np.where(z > -5.0, inside, outside) + np.log(deviation)
    return logarithm
