"""How soon does each searcher find a good candidate, on recorded tables and at equal budgets?

``python scripts/benchmarks/searchers.py`` goes on with what it has in its cache and writes the
tables and pictures; ``--quick`` takes one seed of four tables. docs/benchmarks.md says what is
measured.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import searchers_loops as loops
from searchers_report import MARKS, write_report
from searchers_tasks import Task, tasks_named
from threadpoolctl import threadpool_limits

from raygen.search.replay import replay
from raygen.search.strategies import load_strategy
from raygen.search.strategies.strategy import Scores, Strategy, Terms, Values

BUDGET = 50
"""Full trainings' worth of epochs."""

Run = Callable[[Task, int, int], dict[str, Any]]
"""From a task, the workers and a seed to what came of it."""


def main() -> None:
    """Run what is missing, and report on all there is."""
    options = _options()
    os.environ["OMP_NUM_THREADS"] = "1"  # for libraries that are not loaded yet: one core for all
    threadpool_limits(1)
    found: list[dict[str, Any]] = []
    names = ["lcbench/7593", "lcbench/168335", "taskset/2", "fcnet/protein_structure"]
    tasks = tasks_named(names if options.quick else options.tasks)
    contestants = {k: v for k, v in CONTESTANTS.items() if k in (options.contestants or [k])}
    for seed in range(1 if options.quick else options.seeds):
        for task, workers in itertools.product(tasks.values(), options.workers):
            for name, run in contestants.items():
                file = f"{name}_{task.name}_{workers}_{seed}.json".replace("/", "-")
                missing = None if options.only_report else partial(run, task, workers, seed)
                result = _cached(options.cache / file, missing)
                cell = {"contestant": name, "task": task.name, "workers": workers, "seed": seed}
                found += [] if result is None else [{**cell, **result}]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "searchers.json").write_text(json.dumps(found))
    write_report(found, options.out, options.pictures)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    families = ["lcbench", "taskset", "fcnet", "nasbench201"]
    parser.add_argument("--tasks", nargs="+", default=families)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--contestants", nargs="+", choices=list(CONTESTANTS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only-report", action="store_true", help="run nothing")
    parser.add_argument("--cache", type=Path, default=Path("build/searchers/cache"))
    parser.add_argument("--out", type=Path, default=Path("build/searchers"))
    parser.add_argument("--pictures", type=Path, default=Path("docs"))
    return parser.parse_args()


def _cached(path: Path, run: Callable[[], dict[str, Any]] | None) -> dict[str, Any] | None:
    """What is known of a run; if nothing is, make it, where it may be made."""
    if path.exists() or run is None:
        return dict(json.loads(path.read_text())) if path.exists() else None
    found = run()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".part{os.getpid()}")
    part.write_text(json.dumps(found))
    part.replace(path)
    regrets = [round(found["regret"][mark - 1], 3) for mark in MARKS]
    print(path.stem, f"{found['seconds']:.1f} s", regrets, flush=True)
    return found


class OnTable(Strategy):
    """A strategy of RayGen's whose proposals stand for rows of a table."""

    def __init__(self, terms: Terms, *, algorithm: str, task: Task) -> None:
        super().__init__(terms)
        self._inner, self._task = load_strategy(algorithm, terms), task
        self._free = np.ones(len(task.rows), dtype=bool)
        self.rows: dict[int, int] = {}
        self.asking: list[float] = []

    def ask(self) -> Values | None:
        """The values of the row nearest to what the strategy proposes."""
        began = time.perf_counter()
        values = self._inner.ask()
        self.asking.append(time.perf_counter() - began)
        self.asked = self._inner.asked
        if values is None:
            return None
        self._row = self._task.nearest(values, self._free)
        self._free[self._row] = False
        return dict(self._task.rows[self._row])

    def begin(self, number: int, values: Values) -> None:
        """Tell the strategy of the row that is tried."""
        self.rows[number] = self._row
        self._inner.begin(number, values)

    def curve(self, values: Values) -> list[float]:
        """The recorded scores of the row that begins now."""
        assert self._task.rows[self._row] == values, "a trial is begun as soon as it is proposed"
        return [float(each) for each in self._task.curves[self._row]]

    def report(self, number: int, epoch: int, scores: Scores) -> None:
        """Hand it on."""
        self._inner.report(number, epoch, scores)

    def end(self, number: int, scores: Scores | None) -> None:
        """Hand it on."""
        self._inner.end(number, scores)


def run_raygen(
    task: Task, workers: int, seed: int, *, algorithm: str, scheduler: str
) -> dict[str, Any]:
    """RayGen's strategy and scheduler, by its own replay."""
    made: list[OnTable] = []

    def make(terms: Terms) -> OnTable:
        made.append(OnTable(terms, algorithm=algorithm, task=task))
        return made[-1]

    began = time.perf_counter()
    replayed = replay(
        task.space,
        lambda values: made[0].curve(values),
        algorithm=make,
        scheduler="fifo" if task.epochs == 1 else scheduler,
        max_epochs=task.epochs,
        workers=workers,
        seed=seed,
        total_epochs=BUDGET * task.epochs,
    )
    log = ((number, score) for _, number, _, score in replayed.epochs)
    return _summary(task, log, made[0].rows, made[0].asking, time.perf_counter() - began)


def run_loop(task: Task, workers: int, seed: int, *, make: loops.Make) -> dict[str, Any]:
    """A library's own loop, on the same virtual clock: an epoch takes one second."""
    began = time.perf_counter()
    loop = make(task.space, task.epochs, workers, seed)
    free = np.ones(len(task.rows), dtype=bool)
    rows: dict[int, int] = {}
    asking: list[float] = []
    log: list[tuple[int, float]] = []
    events: list[tuple[int, int, int, int]] = []  # second, order, trial, epoch

    def start(second: int) -> None:
        before = time.perf_counter()
        values = loop.ask()
        asking.append(time.perf_counter() - before)
        number, row = len(rows), task.nearest(values, free)
        rows[number], free[row] = row, False
        loop.begin(number, task.rows[row])
        heapq.heappush(events, (second + 1, next(order), number, 1))

    order = iter(range(10**9))
    for _ in range(workers):
        start(0)
    while len(log) < BUDGET * task.epochs:
        second, _, number, epoch = heapq.heappop(events)
        score = float(task.curves[rows[number], epoch - 1])
        log.append((number, score))
        if math.isnan(score):
            loop.end(number, None)
        elif loop.report(number, epoch, score) and epoch < task.epochs:
            heapq.heappush(events, (second + 1, next(order), number, epoch + 1))
            continue
        else:
            loop.end(number, score)
        start(second)
    return _summary(task, iter(log), rows, asking, time.perf_counter() - began)


def _summary(
    task: Task,
    log: Iterator[tuple[int, float]],
    rows: Mapping[int, int],
    asking: list[float],
    seconds: float,
) -> dict[str, Any]:
    """The regret of the incumbent after each full training's worth of epochs.

    The incumbent is the trial whose latest score is the best of all trials' latest scores.
    """
    latest: dict[int, float] = {}
    regret: list[float] = []
    for used, (number, score) in enumerate(log, start=1):
        if math.isnan(score):
            latest.pop(number, None)
        else:
            latest[number] = score
        if used % task.epochs == 0:
            best = max(latest, key=lambda each: latest[each], default=None)
            regret.append(3.0 if best is None else task.regret(rows[best]))
    while len(regret) < BUDGET:  # a search that stopped by itself keeps what it found
        regret.append(regret[-1])
    return {
        "regret": regret,
        "trials": len(rows),
        "seconds": seconds,
        "ask_mean_s": float(np.mean(asking)),
        "ask_most_s": float(np.max(asking)),
    }


def _own(make: Callable[..., loops.Loop], **settings: str) -> Run:
    return partial(run_loop, make=partial(make, **settings))


def _ours(algorithm: str, scheduler: str = "fifo") -> Run:
    return partial(run_raygen, algorithm=algorithm, scheduler=scheduler)


CONTESTANTS: dict[str, Run] = {
    "raygen auto + asha-promote": _ours("auto", "asha-promote"),
    "raygen auto + asha": _ours("auto", "asha"),
    "raygen auto": _ours("auto"),
    "raygen random": _ours("random"),
    "raygen random + asha": _ours("random", "asha"),
    "raygen random + asha-promote": _ours("random", "asha-promote"),
    "raygen hyperopt": _ours("hyperopt"),
    "raygen hyperopt + asha": _ours("hyperopt", "asha"),
    "raygen skopt-gp": _ours("skopt-gp"),
    "raygen bayesopt": _ours("bayesopt"),
    "raygen optuna-tpe": _ours("optuna-tpe"),
    "raygen optuna-gp": _ours("optuna-gp"),
    "raygen bohb + asha": _ours("bohb", "asha"),
    "raygen bohb + asha-promote": _ours("bohb", "asha-promote"),
    "hyperopt tpe": _own(loops.Hyperopt),
    "skopt gp": _own(loops.Skopt),
    "bayes_opt": _own(loops.BayesOpt),
    "optuna tpe": _own(loops.Optuna, sampler="tpe", pruner="none"),
    "optuna tpe + hyperband": _own(loops.Optuna, sampler="tpe", pruner="hyperband"),
    "optuna tpe + halving": _own(loops.Optuna, sampler="tpe", pruner="halving"),
    "optuna tpe + median": _own(loops.Optuna, sampler="tpe", pruner="median"),
    "optuna gp": _own(loops.Optuna, sampler="gp", pruner="none"),
    "optuna gp + hyperband": _own(loops.Optuna, sampler="gp", pruner="hyperband"),
}
"""Name to what it runs."""


if __name__ == "__main__":
    main()
