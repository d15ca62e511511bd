"""Architecture search on complete tables: NAS-Bench-201 and NAS-Bench-Graph, without training.

python scripts/benchmarks/nas.py --seeds 20 --peer-seeds 5 --evaluations 500 --picture docs/nas.png

Each strategy is asked for one candidate after another and told its validation score, the mean of
the table's seeds; a candidate that was scored before is asked for again and does not count. The
table of NAS-Bench-Graph lacks the networks whose input is also an output; they count as failed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from raygen.config.space import Choice, Parameter, Space
from raygen.search.strategies import STRATEGIES, load_strategy
from raygen.search.strategies.strategy import Terms

OWN = ("random", "evolution", "reinforce", "bohb")
PEERS = ("hyperopt", "optuna-tpe")
"""Slower to ask, so they may get fewer seeds."""
CIFAR = ("cifar10", "cifar100")
GRAPHS = ("arxiv", "citeseer", "computers", "cora", "cs")
TARGET = ("cifar10", 91.2)
"""What regularised evolution has to reach within the budget, in the median."""
TABLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "hpo"
_SHOWN = (50, 100, 200, 500)
_COLOURS = dict(zip((*OWN, *PEERS), ("0.5", "C3", "C0", "C2", "C1", "C4"), strict=True))


@dataclass(frozen=True)
class Table:
    """A space whose candidates have all been trained already."""

    space: Space
    score: Callable[[dict[str, Any]], float | None]
    best: float


def main() -> None:
    """Search every table with every strategy, print the medians and draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=Path, default=TABLES)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--peer-seeds", type=int, default=5)
    parser.add_argument("--evaluations", type=int, default=500)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="searches in this .npz are not done again")
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    seeds = dict.fromkeys(OWN, args.seeds) | dict.fromkeys(PEERS, args.peer_seeds)
    curves: dict[str, dict[str, np.ndarray]] = {}
    done = Kept(args.keep, args.evaluations)
    with ProcessPoolExecutor(args.processes) as pool:
        for name in (*CIFAR, *GRAPHS):
            wanted = [
                (each, seed) for each in seeds if each in STRATEGIES for seed in range(seeds[each])
            ]
            waiting = {
                pool.submit(search, args.tables, name, *each, args.evaluations): (name, *each)
                for each in wanted
                if (name, *each) not in done.curves
            }
            for future in as_completed(waiting):
                done.add(waiting[future], future.result())
            curves[name] = {
                strategy: np.array([done.curves[name, strategy, seed] for seed in range(count)])
                for strategy, count in seeds.items()
                if strategy in STRATEGIES and count
            }
            print_rows(name, load_table(args.tables, name).best, curves[name])
    print_verdict(curves)
    if args.picture:
        draw(curves, args.tables, args.picture)


class Kept:
    """Curves by data set, strategy and seed, in a file if there is one."""

    def __init__(self, path: Path | None, evaluations: int) -> None:
        self.curves: dict[tuple[str, str, int], np.ndarray] = {}
        self._path = path
        if path is not None and path.exists():
            for key, curve in np.load(path).items():
                name, strategy, seed = key.split("/")
                if len(curve) == evaluations:
                    self.curves[name, strategy, int(seed)] = curve

    def add(self, key: tuple[str, str, int], curve: list[float]) -> None:
        """Take in a curve."""
        self.curves[key] = np.array(curve)
        if self._path is not None:
            named = {"/".join(map(str, each)): curve for each, curve in self.curves.items()}
            np.savez(self._path, **named)


def search(tables: Path, name: str, strategy: str, seed: int, evaluations: int) -> list[float]:
    """Search one table once; the best score after each evaluation."""
    table = load_table(tables, name)
    proposer = load_strategy(strategy, Terms(space=table.space, seed=seed, trials=evaluations))
    known: set[str] = set()
    best: list[float] = []
    while len(best) < evaluations:
        values = proposer.ask()
        if values is None:
            break
        key = repr(sorted(values.items()))
        if key in known:
            continue
        known.add(key)
        proposer.begin(len(best), values)
        score = table.score(values)
        proposer.end(len(best), None if score is None else (score,))
        best.append(max(best[-1] if best else -np.inf, -np.inf if score is None else score))
    return best


@cache
def load_table(tables: Path, name: str) -> Table:
    """Read one data set's table."""
    return cifar_table(tables, name) if name in CIFAR else graph_table(tables, name)


def cifar_table(tables: Path, name: str) -> Table:
    """NAS-Bench-201 (Dong & Yang 2020): a cell of six edges, each with one of five operations."""
    stored = np.load(tables / "nasbench201.npz")
    operations = tuple(str(each) for each in stored["ops"])
    scores = np.nanmean(stored[f"{name}__val_acc"], axis=1)
    edges = [f"edge_{to}_{of}" for to, of in (str(each).split("<-") for each in stored["edges"])]
    space = Space(name, (), parameters=tuple(Parameter(e, Choice(operations)) for e in edges))

    def score(values: dict[str, Any]) -> float:
        cell = [operations.index(values[edge]) for edge in edges]
        return float(scores[np.ravel_multi_index(cell, (5,) * 6)])

    return Table(space, score, float(scores.max()))


def graph_table(tables: Path, name: str) -> Table:
    """NAS-Bench-Graph (Qin et al. 2022): four nodes, one of nine ways to link them."""
    stored = np.load(tables / "nasbench_graph.npz")
    operations = tuple(str(each) for each in stored["op_names"])
    links = ["".join(str(each) for each in row) for row in stored["macro_links"]]
    scores = stored[f"{name}__valid_perf"]
    rows = {
        shape(links[macro], [operations[each] for each in ops]): row
        for row, (macro, ops) in enumerate(zip(stored["macro"], stored["ops"], strict=True))
    }
    nodes = [f"node_{number}" for number in range(1, 5)]
    macro = Parameter("links", Choice(tuple(f"from_{each}" for each in links)))
    space = Space(name, (), parameters=(macro, *(Parameter(n, Choice(operations)) for n in nodes)))

    def score(values: dict[str, Any]) -> float | None:
        link = values["links"].removeprefix("from_")
        row = rows.get(shape(link, [values[node] for node in nodes]))
        return None if row is None else float(scores[row])

    return Table(space, score, float(scores.max()))


def shape(links: str, operations: list[str]) -> Any:
    """What equal networks share: nodes as a tree, without those that hand their input on.

    Args:
        links: For each node the number of the one it takes its input from; 0 is the graph.
        operations: Of each node.
    """
    stands_for = [0]
    children: dict[int, list[int]] = {node: [] for node in range(5)}
    outputs = [0] * 5
    for node, (link, operation) in enumerate(zip(links, operations, strict=True), start=1):
        parent = stands_for[int(link)]
        stands_for.append(parent if operation == "skip" else node)
        if operation != "skip":
            children[parent].append(node)
        if str(node) not in links:
            outputs[stands_for[node]] += 1

    def below(node: int) -> Any:
        name = operations[node - 1] if node else ""
        return name, outputs[node], tuple(sorted(below(child) for child in children[node]))

    return below(0)


def print_rows(name: str, best: float, curves: dict[str, np.ndarray]) -> None:
    """Print the medians of one data set, as lines of a Markdown table."""
    for strategy, runs in curves.items():
        median = np.median(runs, axis=0)
        at = [f"{median[count - 1]:.4g}" for count in _SHOWN if count <= len(median)]
        low, high = np.quantile(runs[:, -1], (0.25, 0.75))
        found = f"{np.mean(runs[:, -1] >= best):.0%}"
        cells = [name, strategy, str(len(runs)), *at, f"{low:.4g} to {high:.4g}", found]
        print(f"| {' | '.join(cells)} |", flush=True)


def print_verdict(curves: dict[str, dict[str, np.ndarray]]) -> None:
    """Say how soon evolution reaches its target, and how often it beats random search."""
    name, target = TARGET
    median = np.median(curves[name]["evolution"], axis=0)
    reached = np.flatnonzero(median >= target)
    when = f"after {reached[0] + 1} evaluations" if reached.size else "never"
    print(f"evolution reaches {target} on {name} in the median {when}")
    for name, runs in curves.items():
        ours, theirs = runs["evolution"][:, -1], runs["random"][:, -1]
        wins = (ours[:, None] > theirs[None]).mean() + (ours[:, None] == theirs[None]).mean() / 2
        print(f"{name}: a run of evolution beats one of random search with probability {wins:.3f}")


def draw(curves: dict[str, dict[str, np.ndarray]], tables: Path, path: Path) -> None:
    """Draw the distance to the table's best against evaluations: medians and quartiles."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 4, figsize=(13, 6), sharex=True)
    for name, axis in zip(curves, axes.flat, strict=False):
        best = load_table(tables, name).best
        for strategy, runs in curves[name].items():
            low, middle, high = best - np.quantile(runs, (0.75, 0.5, 0.25), axis=0)
            counts = np.arange(1, len(middle) + 1)
            axis.plot(counts, middle, label=strategy, color=_COLOURS[strategy])
            axis.fill_between(counts, low, high, color=_COLOURS[strategy], alpha=0.15, lw=0)
        axis.set(title=name, xscale="log", xlim=(10, None))
        axis.set_ylim(0, best - np.median(curves[name]["random"], axis=0)[9])
    handles, labels = axes.flat[0].get_legend_handles_labels()
    axes.flat[-1].legend(handles, labels, loc="center", frameon=False)
    axes.flat[-1].axis("off")
    figure.supxlabel("evaluations")
    figure.supylabel("validation score below the table's best")
    figure.tight_layout()
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main()
