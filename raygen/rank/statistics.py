"""How sure is a difference between candidates that were scored on the same folds?

The scores of folds are not independent: their training sets overlap. Everything here corrects for
that with one number, ``test_share``, the part of the rows on which a fold is scored: 1 / k.
Scores are higher for better candidates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Scores: TypeAlias = "Sequence[float] | NDArray[np.float64]"
LEVEL = 0.95
"""Of intervals and verdicts."""


def standard_error(spread: float, count: int, test_share: float) -> float:
    """The standard error of a mean over folds, whose training sets overlap.

    sqrt(1 / J + n_test / n_train) s for J folds with standard deviation s (C. Nadeau, Y. Bengio:
    Inference for the generalization error, Machine Learning 52, 2003, section 5). In place of
    sqrt(1 / J) s, which holds for independent scores: it supposes that any two folds have the
    correlation n_test / (n_train + n_test). Of repeated k-fold cross-validation it is what
    R. Bouckaert and E. Frank (PAKDD 2004) recommend.

    Args:
        spread: Standard deviation over the folds, with J - 1 in its denominator.
        count: How many folds there are.
        test_share: n_test / (n_train + n_test); 0 for independent scores.
    """
    return spread * math.sqrt(1 / count + test_share / (1 - test_share))


def mean_interval(
    scores: Scores, *, test_share: float, level: float = LEVEL
) -> tuple[float, float] | None:
    """Where the mean of ever more data sets of this size lies; None of a single score.

    Student's t with J - 1 degrees of freedom and the ``standard_error`` of Nadeau and Bengio.
    """
    posterior = posterior_of(scores, test_share=test_share)
    return None if posterior is None else posterior.interval(level)


@dataclass(frozen=True)
class Posterior:
    """What is known of a mean: Student's t around what was measured."""

    mean: float
    scale: float
    """Its standard error; 0 if all scores are the same."""
    freedom: int
    """Degrees of freedom."""

    def below(self, value: float) -> float:
        """The probability that the mean lies below a value; of a tie half."""
        if self.scale == 0.0:
            return 0.5 if self.mean == value else float(self.mean < value)
        return float(special.stdtr(self.freedom, (value - self.mean) / self.scale))

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """The shortest stretch that holds the mean with this probability."""
        half = float(special.stdtrit(self.freedom, (1 + level) / 2)) * self.scale
        return self.mean - half, self.mean + half

    def split(self, rope: float) -> tuple[float, float, float]:
        """The probabilities that it lies below -rope, between, and above rope."""
        worse, not_better = self.below(-rope), self.below(rope)
        if rope == 0.0:
            return worse, 0.0, 1 - worse
        if self.scale == 0.0:  # what lies on the border is practically the same
            worse, not_better = float(self.mean < -rope), float(self.mean <= rope)
        return worse, not_better - worse, 1 - not_better

    def density(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """How probable the mean is at each value, per unit; nothing to draw if all is certain."""
        found: NDArray[np.float64] = stats.t.pdf(values, self.freedom, self.mean, self.scale)
        return found


def posterior_of(differences: Scores, *, test_share: float) -> Posterior | None:
    """What folds say of the mean difference of two candidates; None of a single fold.

    The Bayesian correlated t-test: with the prior 1 / variance, the mean is distributed as
    Student's t with J - 1 degrees of freedom around the mean of the differences, with scale
    sqrt(1 / J + rho / (1 - rho)) s, where rho is the correlation of folds, ``test_share``
    (A. Benavoli, G. Corani, J. Demsar, M. Zaffalon: Time for a change, JMLR 18(77), 2017,
    section 4.1). ``Posterior.split`` gives their three probabilities with a region of practical
    equivalence (ROPE).
    """
    found = np.asarray(differences, dtype=float)
    if len(found) < 2:
        return None
    spread = float(np.std(found, ddof=1))
    if spread <= 1e-12 * float(np.abs(found).max()):  # equal but for the rounding
        spread = 0.0
    scale = standard_error(spread, len(found), test_share)
    return Posterior(float(np.mean(found)), scale, len(found) - 1)


def residual_spread(scores: NDArray[np.float64]) -> tuple[float, int]:
    """The standard deviation that is left when candidates and folds have their means.

    Of the two-way layout with one score for each (candidate, fold): the sum of squares of
    y_ij - mean_i - mean_j + mean over its (C - 1)(J - 1) degrees of freedom (for example
    D. Montgomery: Design and Analysis of Experiments, randomized complete block design). The
    difference of two candidates on a fold has sqrt(2) times this deviation.

    Args:
        scores: One row for each candidate, one column for each fold; at least two of each.

    Returns:
        The deviation and its degrees of freedom.
    """
    rows, columns = scores.mean(axis=1, keepdims=True), scores.mean(axis=0, keepdims=True)
    left = scores - rows - columns + scores.mean()
    freedom = (scores.shape[0] - 1) * (scores.shape[1] - 1)
    return math.sqrt(float((left**2).sum()) / freedom), freedom


@dataclass(frozen=True)
class RankTest:
    """Do candidates differ at all in their ranks over several data sets or repeats?"""

    statistic: float
    """Friedman's chi-square, corrected for ties."""
    p: float
    mean_ranks: tuple[float, ...]
    """Of each candidate over the blocks; 1 is the best."""
    critical_difference: float
    """Mean ranks that are closer are not told apart."""


def friedman_nemenyi(scores: NDArray[np.float64], *, level: float = LEVEL) -> RankTest:
    """Compare candidates over independent blocks by their ranks alone.

    Friedman's test, and Nemenyi's critical difference q sqrt(k (k + 1) / (6 N)) for k candidates
    on N blocks, where q is the quantile of the studentized range with infinite freedom over
    sqrt(2) (J. Demsar: Statistical comparisons of classifiers over multiple data sets, JMLR 7,
    2006, section 3.2.2).

    Args:
        scores: One row for each candidate (three or more), one column for each block (two or
            more). Blocks must be independent: data sets, or repeats, not the folds of one.
        level: 1 minus the probability of telling apart any two that are equal.
    """
    candidates, blocks = scores.shape
    ranks = stats.rankdata(-scores, axis=0)
    if (scores == scores[0]).all():
        statistic, p = 0.0, 1.0  # scipy has nan for it
    else:
        found = stats.friedmanchisquare(*scores)
        statistic, p = float(found.statistic), float(found.pvalue)
    quantile = float(stats.studentized_range.ppf(level, candidates, np.inf)) / math.sqrt(2)
    critical = quantile * math.sqrt(candidates * (candidates + 1) / (6 * blocks))
    return RankTest(statistic, p, tuple(float(mean) for mean in ranks.mean(axis=1)), critical)
