"""Trials per second beside plain Ray Tune, in one run: trials that train nothing, and 1-s trials.

python scripts/benchmarks/trials.py --trials 2000 --plain 40 --seconds 1

Every RayGen trial is a program of its own in a process of its own, rendered, written, journalled
and suggested by the search strategy; the plain trials are Ray Tune's function trainables with its
defaults. Both have as many slots as this machine has CPUs.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import tempfile
import time
from pathlib import Path

STUB = """
import time
def train(x, y, fold=None, report=None, resume=None):
    time.sleep({seconds})
    report({{"epoch": 1, "accuracy": 0.5}}, lambda folder: None)
"""


def main() -> None:
    """Run both and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000, help="RayGen's empty trials")
    parser.add_argument("--plain", type=int, default=40, help="plain Ray Tune's empty trials")
    parser.add_argument("--sleepers", type=int, default=60, help="RayGen's one-second trials")
    args = parser.parse_args()
    empty = raygen_times(args.trials, 0.0)
    sleepers = raygen_times(args.sleepers, 1.0)
    plain = plain_rate(args.plain)
    rate, slots = steady(empty), os.cpu_count() or 1
    first, last = windows(empty)
    print(
        f"empty trials: RayGen {rate:.1f}/s, plain Ray Tune {plain:.2f}/s: {rate / plain:.1f} times"
    )
    print(f"around the 100th trial {first:.1f}/s, around the {len(empty)}th {last:.1f}/s")
    share = (len(sleepers) - slots) / ((sleepers[-1] - sleepers[slots - 1]) * slots)
    print(f"one-second trials: {share:.1%} of the slots' time is training")


def raygen_times(trials: int, seconds: float) -> list[float]:
    """When each trial's end was journalled, in seconds."""
    from raygen.pipeline import run_steps
    from raygen.plan import plan_run
    from raygen.source.candidate import Source
    from raygen.source.render import Blueprint

    text = STUB.format(seconds=seconds)
    Blueprint.render = lambda _, candidate: Source(text + f"# {candidate.id}\n")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        config = Path(folder) / "config.yaml"
        config.write_text(
            "task: {name: ImageClassification, dataset: {name: digits}}\n"
            f"search: {{algorithm: random, scheduler: fifo, trials: {trials}, max_epochs: 1}}\n"
        )
        plan = plan_run(config, run_dir=f"{folder}/run")
        run_steps(plan, upto="search")
        events = [json.loads(line) for line in plan.paths.journal.read_text().splitlines()]
    ends = [event["time"] for event in events if event["event"] == "end"]
    assert len(ends) == trials
    return ends


def plain_rate(trials: int) -> float:
    """Ray Tune's own trials per second, over the last three quarters of them."""
    import ray
    from ray import tune

    ends: list[float] = []

    class Clock(tune.Callback):
        def on_trial_complete(self, iteration, trials, trial, **info):
            ends.append(time.time())

    for name in [name for name in os.environ if name.startswith("TUNE_")]:
        del os.environ[name]
    ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    with tempfile.TemporaryDirectory() as folder:
        tune.Tuner(
            lambda config: {"loss": config["x"]},
            param_space={"x": tune.uniform(0, 1)},
            tune_config=tune.TuneConfig(num_samples=trials),
            run_config=tune.RunConfig(storage_path=folder, verbose=0, callbacks=[Clock()]),
        ).fit()
    ray.shutdown()
    return steady(ends)


def steady(ends: list[float]) -> float:
    """Trials per second after the first quarter."""
    quarter = len(ends) // 4
    return (len(ends) - quarter - 1) / (ends[-1] - ends[quarter])


def windows(ends: list[float]) -> tuple[float, float]:
    """Trials per second around the 100th and over the last hundred."""
    rates = [100 / (ends[i + 50] - ends[i - 50]) for i in (100, len(ends) - 51)]
    return rates[0], rates[1]


if __name__ == "__main__":
    main()
