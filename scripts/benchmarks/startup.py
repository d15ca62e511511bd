"""Seconds from typing the command to the first epoch, and where they go; plain Ray Tune beside it.

python scripts/benchmarks/startup.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = """
task: {name: ImageClassification, dataset: {name: digits}}
search: {algorithm: random, trials: 2, max_epochs: 2}
"""

PLAIN = """
import time
import ray
from ray import tune

def train(config):
    import torch
    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])
    tune.report({"loss": 0.0})

class First(tune.Callback):
    def on_trial_result(self, iteration, trials, trial, result, **info):
        print("first", time.time(), flush=True)

ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
print("ray", time.time(), flush=True)
config = tune.RunConfig(storage_path=FOLDER, verbose=0, callbacks=[First()])
tune.Tuner(train, tune_config=tune.TuneConfig(num_samples=2), run_config=config).fit()
"""


def main() -> None:
    """Time both and print where the seconds went."""
    for line in (raygen_line(), plain_line()):
        print(line)


def raygen_line() -> str:
    """The journal's own times, counted from the start of the process."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(CONFIG)
        started = time.time()
        command = [sys.executable, "-m", "raygen", "search", "--config", str(config)]
        subprocess.run([*command, "--run-dir", f"{folder}/run"], check=True, capture_output=True)
        lines = (Path(folder) / "run" / "journal.jsonl").read_text().splitlines()
    times: dict[str, float] = {}
    for event in map(json.loads, lines):
        times.setdefault(event["event"], event["time"] - started)
    first = min(times[name] for name in ("report", "end") if name in times)
    return (
        f"raygen: first epoch after {first:.1f} s "
        f"= {times['begin']:.1f} s check, start Ray, load data "
        f"+ {times['trial'] - times['begin']:.1f} s start Tune "
        f"+ {first - times['trial']:.1f} s start a worker, import torch, first epoch"
    )


def plain_line() -> str:
    """A function trainable that imports torch, with Ray Tune's defaults."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.time()
        done = subprocess.run(
            [sys.executable, "-c", f"FOLDER = {folder!r}\n{PLAIN}"],
            check=True,
            capture_output=True,
            text=True,
        )
    marks = [
        line.split()
        for line in done.stdout.splitlines()
        if line.split()[:1] in (["ray"], ["first"])
    ]
    ray_up = float(next(when for name, when in marks if name == "ray")) - started
    first = float(next(when for name, when in marks if name == "first")) - started
    return (
        f"plain Ray Tune: first result after {first:.1f} s = {ray_up:.1f} s import and start Ray "
        f"+ {first - ray_up:.1f} s start Tune and a worker, import torch"
    )


if __name__ == "__main__":
    main()
