"""Is a better fit worth its parameters? Information criteria, where there is a likelihood."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Criteria:
    """Lower is better; their differences mean something, their values nothing."""

    aic: float
    aicc: float | None
    """None where there are as many parameters as rows, for which it is not defined."""
    bic: float


def held_out_criteria(
    folds: Sequence[Mapping[str, Any]], num_parameters: int, num_rows: int
) -> Criteria | None:
    """The criteria by the likelihood of all rows, each of them held out once.

    None where there is none: the metrics have neither ``log_loss`` nor ``rmse``, an error is
    zero, or nobody counted the parameters or rows.

    Args:
        folds: The metrics of each fold of one cross-validation.
        num_parameters: Trained numbers.
        num_rows: Of all folds together.
    """
    if not num_parameters or not num_rows:
        return None
    if all("log_loss" in each for each in folds):
        loss = math.fsum(each["log_loss"] for each in folds) / len(folds)
        return criteria_of(class_log_likelihood(loss, num_rows), num_parameters, num_rows)
    if not all("rmse" in each for each in folds):
        return None
    square = math.fsum(each["rmse"] ** 2 for each in folds) / len(folds)
    likelihood = gaussian_log_likelihood(math.sqrt(square), num_rows)
    return criteria_of(likelihood, num_parameters + 1, num_rows) if square else None


def criteria_of(log_likelihood: float, num_parameters: int, num_rows: int) -> Criteria:
    """The criteria of Akaike and Schwarz.

    AIC = 2 k - 2 ln L (H. Akaike, 1974); AICc = AIC + 2 k (k + 1) / (n - k - 1) (C. Hurvich and
    C.-L. Tsai, 1989), as in K. Burnham and D. Anderson: Model Selection and Multimodel Inference,
    2002, sections 2.2 and 2.4; BIC = k ln n - 2 ln L (G. Schwarz, 1978).

    Args:
        log_likelihood: ln L, of all rows together.
        num_parameters: k, of which there is one more where a variance was estimated.
        num_rows: n.
    """
    k, n = num_parameters, num_rows
    aic = 2 * k - 2 * log_likelihood
    aicc = aic + 2 * k * (k + 1) / (n - k - 1) if n - k - 1 > 0 else None
    return Criteria(aic, aicc, k * math.log(n) - 2 * log_likelihood)


def class_log_likelihood(log_loss: float, num_rows: int) -> float:
    """Of classes whose mean negative log-probability is the ``log_loss``."""
    return -num_rows * log_loss


def gaussian_log_likelihood(rmse: float, num_rows: int) -> float:
    """Of errors from a normal distribution, at its most likely variance, the mean square.

    -n / 2 (ln(2 pi RMSE^2) + 1), as in Burnham and Anderson, section 1.2.2; infinite without
    error.
    """
    if rmse == 0.0:
        return math.inf
    return -num_rows / 2 * (math.log(2 * math.pi * rmse**2) + 1)
