"""The latency of a network is measured before it is trained, in a process that stays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from raygen.errors import TrialError
from raygen.execute.latency import Stopwatch
from raygen.source.candidate import Source

PROGRAM = """
import time

def fit_preprocessing(x):
    assert x.shape == (64, 3)
    return None

def build_model():
    return {seconds}

def preprocess(x, statistics):
    return x

def to_inputs(x):
    assert len(x) == 1
    return x

def predict(model, inputs, statistics):
    time.sleep(model)
"""


@pytest.fixture(scope="module")
def stopwatch() -> Iterator[Stopwatch]:
    """One that has no framework to load."""
    watch = Stopwatch(np.zeros((100, 3)), ["json", "no_such_module"], threads=1)
    yield watch
    watch.close()


def test_programs_are_measured_one_after_the_other(stopwatch: Stopwatch) -> None:
    """The slower network has the longer latency, and not less than it sleeps."""
    slow = stopwatch.measure(Source(PROGRAM.format(seconds=0.1)))
    fast = stopwatch.measure(Source(PROGRAM.format(seconds=0.001)))

    assert slow >= 100
    assert 1 <= fast < slow


def test_a_program_that_fails_is_told_and_the_next_is_measured(stopwatch: Stopwatch) -> None:
    """An exception and a killed process are answers; the process stays."""
    with pytest.raises(TrialError, match="ZeroDivisionError"):
        stopwatch.measure(Source(PROGRAM.format(seconds="1 / 0")))
    with pytest.raises(TrialError, match="its process has died"):
        stopwatch.measure(Source(PROGRAM.format(seconds="__import__('os')._exit(3)")))

    assert stopwatch.measure(Source(PROGRAM.format(seconds=0.001))) >= 1
