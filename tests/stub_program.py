"""A model.py that trains nothing, for tests of what happens around the training."""

from __future__ import annotations

import textwrap

_PROGRAM = '''
"""A stub that trains nothing, in place of a network found by RayGen."""

import json
import os
import signal
import time
from pathlib import Path

EPOCHS = 3
HERE = Path(__file__).parent


def kill_worker():
    """Kill the Ray worker: the parent of the forkserver that is this process's parent."""
    stat = Path(f"/proc/{os.getppid()}/stat").read_text()
    os.kill(int(stat.rsplit(")", 1)[1].split()[1]), signal.SIGKILL)
    time.sleep(600)


def once(name):
    """Whether this is asked for the first time, by any process."""
    try:
        (HERE / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def train(x, y, fold=None, report=print, resume=None, epochs=EPOCHS):
    start = json.loads((Path(resume) / "weights.json").read_text()) if resume else 0
    print(f"fold {fold}: training from epoch {start} at {time.time():.3f}", flush=True)
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
    return {"accuracy": float((y >= 0).mean())}


def build_optimizer(network):
    return None


def save(network, optimizer, epoch, statistics, folder):
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(folder, "weights.json").write_text(json.dumps(epoch))
'''


def stub(body: str = "pass", *, epochs: int = 3) -> str:
    """The text of a program; the body stands in each epoch, before the report."""
    inner = textwrap.indent(textwrap.dedent(body), " " * 8).strip()
    return _PROGRAM.replace("BODY", inner).replace("EPOCHS = 3", f"EPOCHS = {epochs}").lstrip()
