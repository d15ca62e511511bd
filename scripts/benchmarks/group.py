"""Step time of two processes that RayGen starts, beside plain torchrun of the same emitted file.

python scripts/benchmarks/group.py [--epochs N] [--repeats N] [--network]

All weights of MiniLM on Financial PhraseBank (scripts/pretrained.py makes the model), or, with
--network, a small one on digits. The file has a clock of its own put in, which tells what the steps
of an epoch took; what is left of an epoch are its evaluation, its report, and a checkpoint if one
is due (RayGen's group saves one, torchrun's does not). Nothing else should run beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import ray

from raygen.execute.group import GroupRunner
from raygen.execute.job import Job
from raygen.execute.run import Group, Worker
from raygen.plan import plan_run
from raygen.source.candidate import Candidate

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ROOT.parent / "shared" / "data" / "text" / "financial_phrasebank.parquet"
FINETUNING = f"""
task: {{name: TextClassification, dataset: {{path: {TEXTS}, text: text, target: label}}}}
model:
  pretrained: {ROOT / "build" / "pretrained" / "minilm"}
  method: full
  training: {{batch_size: 64, micro_batch: 32, learning_rate: 1.0e-4}}
"""
NETWORK = """
task: {name: ImageClassification, dataset: {name: digits}}
model:
  layers: [{conv: 64}, activation, {conv: 128}, activation, {conv: 128}, activation, global_pool]
  training: {batch_size: 64}
"""
BATCH_SIZE = 64
Times = tuple[float, float, float]
"""Seconds to the end of the first epoch; of a step, with its share of all else, and alone."""
_NOW = "__import__('time').monotonic()"
_ENDS = '        metrics = {"epoch": epoch + 1, '
CLOCK = {
    "        model.train()\n": f"        clock = {_NOW}\n        model.train()\n",
    _ENDS: _ENDS + f'"steps_s": {_NOW} - clock, ',
}
"""What is put in place of what, so that the program tells the seconds of an epoch's steps."""


def main() -> None:
    """Take turns, and print the steps' times, their ratio, and the seconds to the first epoch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=8, help="of each training")
    parser.add_argument("--repeats", type=int, default=3, help="trainings of each kind")
    parser.add_argument("--network", action="store_true", help="a network in place of MiniLM")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        job = _job(Path(folder), args.epochs, NETWORK if args.network else FINETUNING)
        tokens_a_step = _tokens(job)
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        runs = [(_torchrun(job), _raygen(job)) for _ in range(args.repeats)]
        ray.shutdown()
    for name, each in zip(("torchrun", "raygen"), zip(*runs, strict=True), strict=True):
        starts, epochs, steps = (statistics.median(times) for times in zip(*each, strict=True))
        tokens = "" if args.network else f", {tokens_a_step / steps:,.0f} tokens a second"
        print(
            f"{name:8}: {1000 * steps:.2f} ms a step{tokens}; with all else of an epoch "
            f"{1000 * epochs:.2f} ms; first epoch after {starts:.1f} s"
        )
    for place, name in ((2, "steps alone"), (1, "whole epochs")):
        ratios = [raygen[place] / plain[place] for plain, raygen in runs]
        told = ", ".join(f"{each:.3f}" for each in ratios)
        print(f"raygen / torchrun, {name}: {statistics.median(ratios):.3f} (each: {told})")


def _tokens(job: Job) -> float:
    """Of a batch in the mean, without padding."""
    x = np.load(Path(job.data) / "x.npy", mmap_mode="r")
    return float((x != 0).sum() / len(x) * BATCH_SIZE)


def _job(folder: Path, epochs: int, text: str) -> Job:
    config = folder / "config.yaml"
    config.write_text(text)
    plan = plan_run(config, [f"search.max_epochs={epochs}"], emits=False).blueprint
    program = plan.render(Candidate({})).text
    for old, new in CLOCK.items():
        assert program.count(old) == 1, f"the program has no line {old!r}"
        program = program.replace(old, new)
    (folder / "model.py").write_text(program)
    data = folder / "data"
    data.mkdir()
    for name, array in plan.load_arrays().items():
        np.save(data / f"{name}.npy", array)
    return Job(
        model=str(folder / "model.py"),
        data=str(data),
        fold=0,
        epochs=epochs,
        metric="accuracy",
        checkpoint=str(folder / "checkpoint-0"),
        log=str(folder / "log.txt"),
    )


def _torchrun(job: Job) -> Times:
    """As the launcher of torch runs the file."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    started = time.monotonic()
    with subprocess.Popen(
        [sys.executable, *launcher, job.model, "--fold", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        told = [(time.monotonic(), json.loads(line)) for line in process.stdout]
    return _timed(started, [each for each in told if "steps_s" in each[1]], job)


def _raygen(job: Job) -> Times:
    """As a group of RayGen runs it; each epoch saves a checkpoint if it is due, as in a search."""
    for old in Path(job.checkpoint).parent.glob("checkpoint-0/*"):
        old.unlink()
    group = Group(workers=(2, 2), cpus=1, gpus=0.0, framework="torch", retries=0, arrays=None)
    runner = GroupRunner(Worker("none", ("torch",), 1, 0.0, group))
    started = time.monotonic()
    told = [(time.monotonic(), m.metrics) for m in runner.messages(job) if not m.error]
    return _timed(started, [each for each in told if "steps_s" in each[1]], job)


def _timed(started: float, told: list[tuple[float, Mapping[str, Any]]], job: Job) -> Times:
    rows = len(np.load(Path(job.data) / "y.npy", mmap_mode="r")) * 4 // 5
    steps_an_epoch = -(-rows // BATCH_SIZE)
    epochs = [end - start for (start, _), (end, _) in pairwise(told)]
    steps = [each["steps_s"] for _, each in told[1:]]
    return (
        told[0][0] - started,
        statistics.median(epochs) / steps_an_epoch,
        statistics.median(steps) / steps_an_epoch,
    )


if __name__ == "__main__":
    main()
