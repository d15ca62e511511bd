"""Stub programs that a runner trains in place of a network."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stub_program import stub

from raygen.execute.job import Job
from raygen.execute.runner import ENVIRONMENT, Runner


@pytest.fixture
def new_job(tmp_path: Path) -> Callable[..., Job]:
    """Jobs of stub programs: ``new_job("raise ValueError('no')", hang_timeout_s=2)``."""
    data, numbers = tmp_path / "data", itertools.count()
    data.mkdir()
    for name in ("x", "y", "x_test", "y_test"):
        np.save(data / f"{name}.npy", np.ones(4))

    def make(body: str = "pass", **changes: Any) -> Job:
        folder = tmp_path / f"trial{next(numbers)}"
        folder.mkdir()
        text = stub(body, epochs=changes.get("epochs", 3))
        (folder / "model.py").write_text(text, encoding="utf-8")
        fields = {
            "model": str(folder / "model.py"),
            "data": str(data),
            "fold": 0,
            "epochs": 3,
            "metric": "accuracy",
            "checkpoint": str(folder / "checkpoint-0"),
            "log": str(folder / "log.txt"),
            "hang_timeout_s": 60.0,
        }
        return Job(**fields | changes)

    return make


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    """A runner that has preloaded next to nothing."""
    main = sys.modules["__main__"]
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)  # and put back afterwards, as the others
    monkeypatch.setattr(main, "__file__", getattr(main, "__file__", None))  # put back afterwards
    monkeypatch.setattr(main, "__spec__", main.__spec__)
    made = Runner(["numpy"], threads=1)
    yield made
    made.stop()
