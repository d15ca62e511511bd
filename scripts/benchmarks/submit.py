"""Seconds from raygen submit to the first epoch; beside it ray job submit, of a print and of Tune.

The script of Ray Tune trains the same number of trials of the same size on the same rows, written
by hand. What it takes longer than the print is the price of PyTorch and Ray Tune, not of RayGen.

python scripts/benchmarks/submit.py --repeats 3

The cluster is one head on this machine, with a network and processes of its own (by unshare).
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = """
name: run{number}
task: {{name: ImageClassification, dataset: {{name: digits}}}}
search: {{algorithm: random, trials: 2, max_epochs: 2}}
"""
PLAIN_TUNE = """
import time

import torch
from ray import tune
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def train(config, rows):
    torch.set_num_threads(1)
    x, x_held_out, y, y_held_out = (torch.as_tensor(each) for each in rows)
    network = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.AdamW(network.parameters(), lr=config["lr"])
    for _ in range(2):
        for batch in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()
        accuracy = (network(x_held_out).argmax(1) == y_held_out).float().mean().item()
        tune.report({"accuracy": accuracy, "ended": time.time()})


x, y = load_digits(return_X_y=True)
rows = train_test_split(x.astype("float32") / 16, y, test_size=0.2)
results = tune.Tuner(
    tune.with_resources(tune.with_parameters(train, rows=rows), {"cpu": 1}),
    param_space={"lr": tune.loguniform(1e-4, 1e-2)},
    tune_config=tune.TuneConfig(num_samples=2),
    run_config=tune.RunConfig(storage_path="STORE", verbose=0),
).fit()
print("said", min(each.metrics_dataframe["ended"].min() for each in results))
"""
ADDRESS = "http://127.0.0.1:8265"
UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")


def main() -> None:
    """Start a head, time both in turns, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.inside:
        as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        os.execvp(UNSHARE[0], [*UNSHARE, *as_root, sys.executable, *sys.argv, "--inside"])
    Path("/tmp/ray").mkdir(exist_ok=True)
    for words in (["ip", "link", "set", "lo", "up"], ["mount", "-t", "tmpfs", "tmpfs", "/tmp/ray"]):
        subprocess.run(words, check=True)
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        del os.environ[name]
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # for the jobs
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        start_head()
        print_it, tune_it = "import time\nprint('said', time.time())\n", Path(folder) / "tune"
        plain = PLAIN_TUNE.replace("STORE", str(tune_it))
        job(Path(folder), print_it)  # the first job of a head is slower
        times = []
        for number in range(args.repeats):
            by_ray = job(Path(folder), print_it), job(Path(folder), plain)
            times.append((*by_ray, *submitted(Path(folder), number)))
            print(" ".join(f"{seconds:.1f}" for seconds in times[-1]), flush=True)
    hello, tune, begun, first, returned = (
        statistics.median(column) for column in zip(*times, strict=True)
    )
    print(
        f"medians of {args.repeats}: ray job submit of a print, to what it says: {hello:.1f} s; "
        f"of a script of Ray Tune, to the first epoch: {tune:.1f} s; "
        f"raygen submit, to a checked cluster: {begun:.1f} s, to the first epoch: {first:.1f} s "
        f"({first - tune:+.1f} s), to the prompt: {returned:.1f} s"
    )


def start_head() -> None:
    """A head of two CPUs whose job server answers; it ends with this process."""
    words = ["start", "--head", "--num-cpus=2", "--object-store-memory=200000000", "--block"]
    subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", 8265), timeout=1).close()
        except OSError:
            assert time.monotonic() < until, "the head does not start"
            time.sleep(0.5)
        else:
            time.sleep(5)  # its agents
            return


def job(folder: Path, script: str) -> float:
    """From the command to the moment that the script says."""
    place = folder / "job"
    place.mkdir(exist_ok=True)
    (place / "job.py").write_text(script)
    started = time.time()
    words = ["job", "submit", "--working-dir", str(place), "--", "python", "job.py"]
    done = subprocess.run(
        [sys.executable, "-m", "ray.scripts.scripts", *words],
        env=os.environ | {"RAY_ADDRESS": ADDRESS},
        check=True,
        capture_output=True,
        text=True,
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("said")]
    return float(line.split()[1]) - started


def submitted(folder: Path, number: int) -> tuple[float, float, float]:
    """From the command to the line that says all is well, to the first epoch, to its end."""
    place = folder / f"place{number}"
    place.mkdir()
    (place / "config.yaml").write_text(CONFIG.format(number=number))
    run = folder / f"run{number}"
    started = time.time()
    words = ["submit", "config.yaml", "--cluster", ADDRESS, "--run-dir", str(run)]
    raygen = [sys.executable, "-m", "raygen"]
    subprocess.run([*raygen, *words], cwd=place, check=True, stdout=subprocess.DEVNULL)
    returned = time.time() - started
    begun = (run / "launch" / "code").stat().st_ctime - started
    subprocess.run(
        [*raygen, "attach", f"runs/run{number}"], cwd=place, check=True, capture_output=True
    )
    events = map(json.loads, (run / "journal.jsonl").read_text().splitlines())
    first = min(each["time"] for each in events if each["event"] == "report")
    return begun, first - started, returned


if __name__ == "__main__":
    main()
