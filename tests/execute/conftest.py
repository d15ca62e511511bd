"""Stub programs that a runner trains in place of a network."""

from __future__ import annotations

import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raygen.execute.job import Job
from raygen.execute.runner import Runner

STUB = '''
import json
import os
import time
from pathlib import Path

EPOCHS = 3


def train(x, y, fold=None, report=print, resume=None, epochs=EPOCHS):
    start = json.loads((Path(resume) / "weights.json").read_text()) if resume else 0
    print(f"training from epoch {start}")
    metrics = {}
    for epoch in range(start + 1, epochs + 1):
        metrics = {"epoch": epoch, "accuracy": epoch / 10}

        def save(folder):
            Path(folder, "weights.json").write_text(json.dumps(epoch))

        BODY
        report(metrics, save)
    return "network", {}, metrics


def preprocess(x, statistics):
    return x


def to_inputs(x):
    return x


def evaluate(network, inputs, y, statistics):
    return {"accuracy": float(y.mean())}


def build_optimizer(network):
    return None


def save(network, optimizer, epoch, statistics, folder):
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(folder, "weights.json").write_text(json.dumps(epoch))
'''


def stub(body: str = "pass") -> str:
    """A program that trains nothing; the body stands in each epoch, before the report."""
    return STUB.replace("BODY", textwrap.indent(textwrap.dedent(body), " " * 8).strip())


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
        text = stub(body).replace("EPOCHS = 3", f"EPOCHS = {changes.get('epochs', 3)}")
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
    monkeypatch.setattr(main, "__file__", getattr(main, "__file__", None))  # put back afterwards
    monkeypatch.setattr(main, "__spec__", main.__spec__)
    made = Runner(["numpy"], threads=1)
    yield made
    made.stop()
