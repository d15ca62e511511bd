"""Recorded benchmark tables as search spaces: what can be tried, and what came of it.

A search is confined to its table: a proposal stands for the nearest row that was not tried yet,
and whoever proposed it is told the row's own values.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from raygen.config.space import Choice, Domain, Float, Int, Parameter, Space
from raygen.search.encoding import Encoding

DATA = Path(__file__).parents[3] / "shared" / "data" / "hpo"

DEVELOPMENT = (
    *(f"lcbench/{k}" for k in (126025, 146212, 167161, 168329, 189354, 189873)),
    "taskset/1",
    "taskset/5",
)
"""Looked at while RayGen's Gaussian process was written; left out of all tables."""


@dataclass(frozen=True, eq=False)
class Task:
    """One table."""

    name: str
    space: Space
    rows: Sequence[Mapping[str, Any]]
    features: np.ndarray
    """(rows, columns) in the unit cube, options of a choice at a distance of 1."""
    curves: np.ndarray
    """(rows, epochs), higher is better, NaN from where it failed."""
    encoding: Encoding

    @property
    def epochs(self) -> int:
        """Epochs of a full training."""
        return self.curves.shape[1]

    def nearest(self, values: Mapping[str, Any], free: np.ndarray) -> int:
        """The row that a proposal stands for, among those that are free (bool, rows)."""
        at = self.encoding.features(self.encoding.snap(self.encoding.position(values)[None]))
        distance = ((self.features - at) ** 2).sum(axis=1)
        distance[~free] = math.inf
        return int(distance.argmin())

    def regret(self, row: int) -> float:
        """0 for the best row of the table, 1 for its median row, at most 3."""
        final = np.where(np.isnan(self.curves[:, -1]), -np.inf, self.curves[:, -1])
        best, median = final.max(), np.median(final)
        return float(min((best - final[row]) / (best - median), 3.0))


def tasks_named(names: Sequence[str]) -> dict[str, Task]:
    """Read tables; ``lcbench``, ``taskset``, ``fcnet`` or ``nasbench201`` stand for all of theirs.

    Those that were looked at during development are left out unless they are named one by one.
    """
    wanted: dict[str, Task] = {}
    for family in dict.fromkeys(name.partition("/")[0] for name in names):
        read = _READ[family]()
        for name, task in read.items():
            if name in names or (family in names and name not in DEVELOPMENT):
                wanted[name] = task
    return wanted


def _lcbench() -> dict[str, Task]:
    table = np.load(DATA / "lcbench_surrogate.npz")
    domains: dict[str, Domain] = {
        "batch_size": Int(16, 512, log=True),
        "learning_rate": Float(1e-4, 1e-1, log=True),
        "momentum": Float(0.1, 0.99),
        "weight_decay": Float(1e-5, 1e-1),
        "num_layers": Int(1, 5),
        "max_units": Int(64, 1024, log=True),
        "max_dropout": Float(0.0, 1.0),
    }
    rows = _rows(domains, [str(each) for each in table["hp_names"]], table["configs"])
    accuracy = table["val_accuracy_u16"].astype(float) * (100 / 65535)
    names = [f"lcbench/{each}" for each in table["instances"]]
    return _tasks("lcbench", domains, rows, dict(zip(names, accuracy, strict=True)))


def _taskset() -> dict[str, Task]:
    table = np.load(DATA / "taskset_learning_curves.npz")
    domains: dict[str, Domain] = {
        "learning_rate": Float(1e-8, 1e1, log=True),
        "beta1": Float(1e-4, 1.0, log=True),
        "beta2": Float(1e-6, 1.0, log=True),
        "epsilon": Float(1e-10, 1e3, log=True),
        "l1": Float(1e-8, 1e1, log=True),
        "l2": Float(1e-8, 1e1, log=True),
        "linear_decay": Float(1e-7, 1e-4, log=True),
        "exponential_decay": Float(1e-6, 1e-3, log=True),
    }
    settings = table["hp"].copy()
    settings[:, 1:3] = 1 - settings[:, 1:3]  # drawn on a log scale of their distance from 1
    rows = _rows(domains, [str(each) for each in table["hp_names"]], settings)
    loss = table["valid_loss"].astype(float)
    named = {f"taskset/{index}": -loss[index] for index in range(len(loss))}
    return _tasks("taskset", domains, rows, named)


def _fcnet() -> dict[str, Task]:
    table = np.load(DATA / "fcnet_tabular.npz")
    grid = json.loads(str(table["space"]))
    domains: dict[str, Domain] = {
        "activation_fn_1": Choice(("relu", "tanh")),
        "activation_fn_2": Choice(("relu", "tanh")),
        "batch_size": Int(8, 64, log=True),
        "dropout_1": Float(0.0, 0.6),
        "dropout_2": Float(0.0, 0.6),
        "init_lr": Float(5e-4, 1e-1, log=True),
        "lr_schedule": Choice(("cosine", "const")),
        "n_units_1": Int(16, 512, log=True),
        "n_units_2": Int(16, 512, log=True),
    }
    shape = [len(options) for options in grid.values()]
    at = np.stack(np.unravel_index(np.arange(math.prod(shape)), shape), axis=1)
    options = list(grid.values())
    rows = [{name: options[k][index[k]] for k, name in enumerate(grid)} for index in at.tolist()]
    named = {
        f"fcnet/{each}": -table[f"{each}__val_loss"].astype(float).mean(axis=1, keepdims=True)
        for each in ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure")
    }
    return _tasks("fcnet", domains, rows, named)


def _nasbench201() -> dict[str, Task]:
    table = np.load(DATA / "nasbench201.npz")
    operations = tuple(str(each) for each in table["ops"])
    domains: dict[str, Domain] = {f"edge_{k}": Choice(operations) for k in range(6)}
    rows = [
        {f"edge_{k}": operations[index] for k, index in enumerate(cell)}
        for cell in table["arch"].tolist()
    ]
    named = {
        f"nasbench201/{each}": np.nanmean(table[f"{each}__val_acc"], axis=1, keepdims=True)
        for each in ("cifar10", "cifar100")
    }
    return _tasks("nasbench201", domains, rows, named)


_READ = {
    "lcbench": _lcbench,
    "taskset": _taskset,
    "fcnet": _fcnet,
    "nasbench201": _nasbench201,
}


def _rows(
    domains: Mapping[str, Domain], names: Sequence[str], settings: np.ndarray
) -> list[dict[str, Any]]:
    """Plain values inside their domains, from a table (rows, parameters) of rounded ones."""
    rows = []
    for each in settings.astype(float).tolist():
        row: dict[str, Any] = {}
        for name, value in zip(names, each, strict=True):
            domain = domains[name]
            assert not isinstance(domain, Choice), "the tables of curves hold numbers only"
            inside = min(max(value, domain.low), domain.high)
            row[name] = round(inside) if isinstance(domain, Int) else inside
        rows.append(row)
    return rows


def _tasks(
    family: str,
    domains: Mapping[str, Domain],
    rows: Sequence[Mapping[str, Any]],
    curves: Mapping[str, np.ndarray],
) -> dict[str, Task]:
    space = Space(family, (), parameters=tuple(Parameter(k, v) for k, v in domains.items()))
    encoding = Encoding(space)
    features = encoding.features(np.stack([encoding.position(row) for row in rows]))
    return {
        name: Task(name, space, rows, features, each, encoding) for name, each in curves.items()
    }
