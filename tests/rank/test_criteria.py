from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from raygen.rank.criteria import class_log_likelihood, criteria_of, gaussian_log_likelihood


def test_the_criteria_are_those_of_the_books() -> None:
    """Worked by hand: ln L = -100 with 3 parameters of 50 rows."""
    found = criteria_of(-100.0, 3, 50)

    assert found.aic == 206.0
    assert found.aicc == pytest.approx(206.0 + 24 / 46)
    assert found.bic == pytest.approx(200 + 3 * math.log(50))


def test_with_as_many_parameters_as_rows_there_is_no_aicc() -> None:
    """Its correction would be negative or infinite."""
    assert criteria_of(-100.0, 50, 51).aicc is None
    assert criteria_of(-100.0, 49, 51).aicc is not None


def test_the_likelihoods_are_those_of_scipy() -> None:
    """Of a normal distribution with the errors' own variance, and of the true classes."""
    errors = np.random.default_rng(0).normal(0.3, 2.0, size=200)
    rmse = math.sqrt(float(np.mean(errors**2)))
    p = np.array([0.2, 0.9, 0.5])

    assert gaussian_log_likelihood(rmse, 200) == pytest.approx(
        stats.norm.logpdf(errors, 0.0, rmse).sum(), rel=1e-12
    )
    assert gaussian_log_likelihood(0.0, 5) == math.inf
    assert class_log_likelihood(float(-np.log(p).mean()), 3) == pytest.approx(np.log(p).sum())
