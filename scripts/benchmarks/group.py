"""Step time of two processes that RayGen starts, beside plain torchrun of the same emitted file.

python scripts/benchmarks/group.py [--epochs N] [--repeats N] [--network]

All weights of MiniLM on Financial PhraseBank (scripts/pretrained.py makes the model), or, with
--network, a small one on digits. Nothing else should run beside it.
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
from itertools import pairwise
from pathlib import Path

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
        starts, steps = zip(*each, strict=True)
        step = statistics.median(steps)
        tokens = "" if args.network else f", {tokens_a_step / step:,.0f} tokens a second"
        print(
            f"{name:8}: {1000 * step:.2f} ms a step{tokens}, "
            f"first epoch after {statistics.median(starts):.1f} s"
        )
    ratios = [raygen[1] / plain[1] for plain, raygen in runs]
    told = ", ".join(f"{each:.3f}" for each in ratios)
    print(f"raygen / torchrun: {statistics.median(ratios):.3f} (each: {told})")


def _tokens(job: Job) -> float:
    """Of a batch in the mean, without padding."""
    x = np.load(Path(job.data) / "x.npy", mmap_mode="r")
    return float((x != 0).sum() / len(x) * BATCH_SIZE)


def _job(folder: Path, epochs: int, text: str) -> Job:
    config = folder / "config.yaml"
    config.write_text(text)
    plan = plan_run(config, [f"search.max_epochs={epochs}"], emits=False).blueprint
    (folder / "model.py").write_text(plan.render(Candidate({})).text)
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


def _torchrun(job: Job) -> tuple[float, float]:
    """Seconds to the end of the first epoch, and of a step in the median epoch after it."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    started = time.monotonic()
    with subprocess.Popen(
        [sys.executable, *launcher, job.model, "--fold", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        ends = [time.monotonic() for line in process.stdout if "epoch" in json.loads(line)]
    return _timed(started, ends[: job.epochs], job)


def _raygen(job: Job) -> tuple[float, float]:
    """The same of a group; each epoch saves a checkpoint if it is due, as in a search."""
    for old in Path(job.checkpoint).parent.glob("checkpoint-0/*"):
        old.unlink()
    group = Group(workers=(2, 2), cpus=1, gpus=0.0, framework="torch", retries=0, arrays=None)
    runner = GroupRunner(Worker("none", ("torch",), 1, 0.0, group))
    started = time.monotonic()
    ends = [time.monotonic() for message in runner.messages(job) if not message.error]
    return _timed(started, ends, job)


def _timed(started: float, ends: list[float], job: Job) -> tuple[float, float]:
    rows = len(np.load(Path(job.data) / "y.npy", mmap_mode="r")) * 4 // 5
    epochs = [end - start for start, end in pairwise(ends)]
    return ends[0] - started, statistics.median(epochs) / -(-rows // BATCH_SIZE)


if __name__ == "__main__":
    main()
