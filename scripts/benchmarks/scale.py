"""Thousands of trials: what one costs the driver, and how many workers it can keep busy.

python scripts/benchmarks/scale.py --trials 10000 --plain 60

Four parts, each of which can be left out by a count of 0:
- stub trials on this machine through RayGen's own pipeline, with plain Ray Tune beside it: time
  and driver memory per trial from the first to the last, and time per journal record;
- stub trials of one epoch and of twenty: the difference is what an epoch costs the driver;
- suggestion time of every searcher after so many observations;
- a simulated cluster of hundreds of workers: the real strategy and scheduler on a virtual clock,
  with what the first two parts measured (or --trial-ms, --epoch-ms and --startup-ms).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from trials import plain_rate, steady

from raygen.config.space import Choice, Condition, Float, Int, Parameter, Space

EPOCHS_STUB = """
def train(x, y, fold=None, report=None, resume=None):
    for epoch in range(1, EPOCHS + 1):
        report({"epoch": epoch, "accuracy": 0.5}, lambda folder: None)
"""
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6
SPACE = Space(
    "ten",
    (),
    parameters=(
        Parameter("optimizer", Choice(("adamw", "adam", "sgd"))),
        Parameter("momentum", Float(0.0, 0.99), when=Condition("optimizer", ("sgd",))),
        Parameter("learning_rate", Float(1e-5, 1e-1, log=True)),
        Parameter("weight_decay", Float(1e-6, 1e-1, log=True)),
        Parameter("dropout", Float(0.0, 0.6)),
        Parameter("width", Int(8, 512, log=True)),
        Parameter("depth", Int(1, 8)),
        Parameter("batch_size", Choice((32, 64, 128))),
    ),
)


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000, help="stub trials on this machine")
    parser.add_argument("--plain", type=int, default=60, help="plain Ray Tune's stub trials")
    parser.add_argument("--observations", type=int, nargs="*", default=[50, 200, 1000, 5000])
    parser.add_argument("--workers", type=int, nargs="*", default=[50, 100, 200, 500])
    parser.add_argument("--epochs", type=int, default=150, help="stub trials of 1 and 20 epochs")
    parser.add_argument("--trial-ms", type=float, default=0.0, help="the driver's for a trial")
    parser.add_argument("--epoch-ms", type=float, default=0.0, help="the driver's for an epoch")
    parser.add_argument("--startup-ms", type=float, default=60.0, help="of a simulated trial")
    args = parser.parse_args()
    trial_ms, epoch_ms = args.trial_ms, args.epoch_ms
    if args.trials:
        trial_ms = trial_ms or on_this_machine(args.trials, args.plain)
    if args.epochs:
        epoch_ms = epoch_ms or an_epoch(args.epochs)
    if args.observations:
        suggestion_times(args.observations)
    if args.workers:
        trial_s, epoch_s = (trial_ms or 20.0) / 1e3, (epoch_ms or 4.0) / 1e3
        simulated(args.workers, trial_s, epoch_s, args.startup_ms / 1e3)


def on_this_machine(trials: int, plain: int) -> float:
    """Print rates and memory; returns the driver's milliseconds for one trial."""
    ends, memory, appended, driver_s = stub_search(trials)
    driver_ms = driver_s * 1e3
    rates = [100 / (ends[i + 50] - ends[i - 50]) for i in (100, trials // 2, trials - 51)]
    print(f"{trials} stub trials in {ends[-1] - ends[0]:.0f} s, {steady(ends):.1f} a second")
    told = "  ".join(f"{rate:.1f}/s" for rate in rates)
    print(f"around the 100th, the middle and the last: {told}")
    counts, megabytes = (np.array(each) for each in zip(*memory, strict=True))
    late = counts > trials // 10
    slope = float(np.polyfit(counts[late], megabytes[late], 1)[0]) * 1e3
    print(f"driver: {megabytes[0]:.0f} MB at first, {megabytes[-1]:.0f} MB at last")
    print(f"driver memory after the first tenth: {slope:.1f} kB a trial")
    print(f"driver: {driver_ms:.2f} ms of CPU time a trial")
    print(f"journal: {statistics.mean(appended) * 1e3:.3f} ms a record, {len(appended)} records")
    if plain:
        rate = plain_rate(plain)
        print(f"plain Ray Tune beside it: {rate:.2f} a second: {steady(ends) / rate:.1f} times")
    return driver_ms


def an_epoch(trials: int) -> float:
    """Print and return the driver's milliseconds for an epoch more."""
    few, many = (stub_search(trials, epochs=epochs)[3] for epochs in (1, 20))
    epoch_ms = (many - few) / 19 * 1e3
    print(f"driver: {few * 1e3:.2f} ms of CPU time for a trial of 1 epoch, {many * 1e3:.2f} of 20")
    print(f"driver: {epoch_ms:.2f} ms of CPU time an epoch more")
    return epoch_ms


def stub_search(
    trials: int, epochs: int = 1
) -> tuple[list[float], list[tuple[int, float]], list[float], float]:
    """When trials ended (s), (trials, driver's MB), seconds of each record, CPU s of a trial.

    The last is the driver's time for one trial after the first tenth of them, without the start.
    """
    from raygen.pipeline import run_steps
    from raygen.plan import plan_run
    from raygen.runs.journal import Journal
    from raygen.source.candidate import Source
    from raygen.source.render import Blueprint

    text = EPOCHS_STUB.replace("EPOCHS", str(epochs))
    Blueprint.render = lambda _, candidate: Source(text + f"# {candidate.id}\n")
    append, appended, memory, spent = Journal.append, [], [], []

    def timed(journal: Journal, event: str, **fields: object) -> dict[str, object]:
        began = time.perf_counter()
        line = append(journal, event, **fields)
        appended.append(time.perf_counter() - began)
        if event == "end":
            spent.append(time.process_time())
        return line

    Journal.append = timed
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        config = Path(folder) / "config.yaml"
        config.write_text(
            "task: {name: ImageClassification, dataset: {name: digits}}\n"
            f"search: {{algorithm: random, scheduler: {'asha' if epochs == 1 else 'fifo'},"
            f" trials: {trials}, max_epochs: {epochs}, time_budget: null}}\n"
        )
        plan = plan_run(config, run_dir=f"{folder}/run")
        done = threading.Event()
        watch = threading.Thread(target=_watch, args=(plan.paths.folder, memory, done))
        watch.start()
        run_steps(plan, upto="search")
        done.set()
        watch.join()
        events = [json.loads(line) for line in plan.paths.journal.read_text().splitlines()]
    Journal.append = append
    ends = [event["time"] for event in events if event["event"] == "end"]
    assert len(ends) == trials
    late = spent[trials // 10 :]
    return ends, memory, appended, (late[-1] - late[0]) / (len(late) - 1)


def _watch(folder: Path, memory: list[tuple[int, float]], done: threading.Event) -> None:
    """Note the driver's resident memory once a second."""
    while not done.wait(1.0):
        trials = len(list((folder / "trials").glob("*"))) if (folder / "trials").exists() else 0
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        if trials:
            memory.append((trials, pages * PAGE_MB))


def suggestion_times(counts: list[int]) -> None:
    """Print the median CPU milliseconds of a suggestion after so many observations.

    CPU time, because it hardly depends on what else runs; with one thread, it is the time.
    """
    from raygen.search.strategies import STRATEGIES, load_strategy
    from raygen.search.strategies.strategy import Terms

    print("\nCPU milliseconds of a suggestion (median of 5), after so many observations")
    print(f"{'searcher':20}" + "".join(f"{count:>9}" for count in counts))
    for name, row in STRATEGIES.items():
        if name == "grid":
            continue
        space = SPACE
        if not (row.conditions and row.choices):
            numbers = [each for each in SPACE.parameters if each.when is None]
            space = Space("n", (), parameters=tuple(p for p in numbers if p.domain.size is None))
        found = []
        for count in counts:
            rng = np.random.default_rng(0)
            strategy = load_strategy(name, Terms(space=space, seed=0, trials=counts[-1]))
            for number in range(count):
                values = space.sample(rng)
                strategy.begin(number, values)
                score = (-((np.log10(values["learning_rate"]) + 3) ** 2) - values["dropout"],)
                strategy.report(number, 1, score)
                strategy.end(number, score)
            strategy.skip(count)
            times = []
            for _ in range(5):
                began = time.process_time()
                strategy.ask()
                times.append(time.process_time() - began)
            found.append(statistics.median(times) * 1e3)
        print(f"{name:20}" + "".join(f"{each:>9.1f}" for each in found), flush=True)


def simulated(workers: list[int], trial_s: float, epoch_s: float, startup_s: float) -> None:
    """Print how much of a simulated cluster trains, for several lengths of an epoch.

    Args:
        workers: Sizes of the cluster.
        trial_s: The driver's time for a trial of one epoch.
        epoch_s: Its time for each epoch more.
        startup_s: From the moment that a worker is given a trial to the start of its training.
    """
    from raygen.search.replay import replay

    lengths = (1.0, 10.0, 60.0, 300.0)
    print("\nshare of the workers' time spent on training; the driver needs")
    print(f"{trial_s * 1e3:.1f} ms for a trial of one epoch, {epoch_s * 1e3:.1f} ms for each more;")
    print(f"a trial starts in {startup_s * 1e3:.0f} ms; ASHA, 27 epochs, 8 trials a worker")
    print(f"{'workers':>8}" + "".join(f"{f'{length:g} s epochs':>16}" for length in lengths))
    for count in workers:
        shares = []
        for length in lengths:
            replayed = replay(
                SPACE,
                _curve,
                algorithm="random",
                scheduler="asha",
                max_epochs=27,
                workers=count,
                trials=count * 8,
                seconds=lambda _, length=length: length,
                startup_s=startup_s,
                decision_s=epoch_s,
                begin_s=max(trial_s - epoch_s, 0.0),
            )
            shares.append(replayed.utilisation)
        print(f"{count:>8}" + "".join(f"{share:>16.1%}" for share in shares), flush=True)
    print(f"one driver begins at most {1 / trial_s:.0f} trials a second, and follows at most")
    print(f"{1 / epoch_s:.0f} epochs a second; beyond that workers wait")


def _curve(values: dict[str, object]) -> list[float]:
    quality = -abs(np.log10(float(values["learning_rate"])) + 3) - float(values["dropout"])
    return [quality - 1.0 / epoch for epoch in range(1, 28)]


if __name__ == "__main__":
    main()
