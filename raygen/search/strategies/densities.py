"""How densely do points with continuous and categorical coordinates lie (kernel densities)?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

_NARROWEST = 1e-3
_WIDER = 3.0
"""Factor on the bandwidth of the kernels that are drawn from (the paper, section 4.1)."""


class Density:
    """A product of Gaussian and of Aitchison-Aitken kernels around each of some points.

    Bandwidths by the normal reference rule, ``1.06 s n^(-1 / (4 + d))``, from 0.001 up. That of a
    categorical coordinate is the probability of another option than the point's; it ends where all
    are as likely. HpBandSter takes the standard deviation of the options' numbers for its spread,
    which is above 1 for four options already and leaves nothing but the uniform density; here it
    is the square root of the probability that two points differ, which no order of options changes.

    Args:
        points: Shape (points, dimensions): places from 0 to 1, indices of options.
        options: Shape (dimensions,): the number of options, 0 for a continuous coordinate.
    """

    def __init__(self, points: Array, options: Whole) -> None:
        self.points, self.options = points, options
        number, dimensions = points.shape
        rule = 1.06 * _spread(points, options) * number ** (-1 / (4 + dimensions))
        most = np.where(options > 0, 1 - 1 / np.maximum(options, 1), np.inf)
        self.bandwidths: Array = np.clip(rule, _NARROWEST, most)

    def at(self, places: Array) -> Array:
        """The density at places (n, dimensions); shape (n,)."""
        density = np.ones((len(places), len(self.points)))
        for axis, (bandwidth, options) in enumerate(
            zip(self.bandwidths, self.options, strict=True)
        ):
            apart = places[:, axis, None] - self.points[None, :, axis]
            if options == 0:
                density *= np.exp(-0.5 * (apart / bandwidth) ** 2) / (
                    np.sqrt(2 * np.pi) * bandwidth
                )
            elif options > 1:
                density *= np.where(apart == 0, 1 - bandwidth, bandwidth / (options - 1))
        mean: Array = density.mean(1)
        return mean


def _spread(points: Array, options: Whole) -> Array:
    spread: Array = points.std(0)
    for axis in np.flatnonzero(options):
        shares = np.bincount(points[:, axis].astype(int)) / len(points)
        spread[axis] = np.sqrt(1 - (shares**2).sum())
    return spread


def draw_around(density: Density, number: int, rng: np.random.Generator) -> Array:
    """Draw places around the points of a density, with kernels three times as wide.

    Continuous coordinates are drawn again while they lie outside of 0 to 1; a categorical one
    keeps the point's option, or with the probability of its bandwidth takes any.

    Returns:
        Shape (number, dimensions).
    """
    centres = density.points[rng.integers(len(density.points), size=number)]
    drawn = centres.copy()
    for axis, (bandwidth, options) in enumerate(
        zip(density.bandwidths, density.options, strict=True)
    ):
        if options > 0:
            other = rng.random(number) < bandwidth
            drawn[other, axis] = rng.integers(options, size=int(other.sum()))
            continue
        outside = np.ones(number, bool)
        while outside.any():  # at a border half of the kernel lies inside
            count = int(outside.sum())
            steps = _WIDER * bandwidth * rng.standard_normal(count)
            drawn[outside, axis] = centres[outside, axis] + steps
            outside = (drawn[:, axis] < 0) | (drawn[:, axis] > 1)
    return drawn


def fill_in(points: Array, options: Whole, rng: np.random.Generator) -> Array:
    """Give coordinates that are NaN (not active) the values of other points, drawn at random.

    All that are missing of a point and known of the same other point are taken together; what no
    point has is drawn uniformly (as in HpBandSter, ``impute_conditional_data``).
    """
    filled = points.copy()
    known = ~np.isnan(points)
    donors_of = [np.flatnonzero(column) for column in known.T]
    for row in np.flatnonzero(~known.all(1)):
        while (missing := np.flatnonzero(np.isnan(filled[row]))).size:
            first = missing[0]
            donors = donors_of[first]
            if donors.size:
                donor = donors[int(rng.integers(donors.size))]
                filled[row, missing] = points[donor, missing]
            elif options[first]:
                filled[row, first] = rng.integers(options[first])
            else:
                filled[row, first] = rng.random()
    return filled
