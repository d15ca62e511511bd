"""Architecture search on the complete tables of shared/data, by the benchmark's own functions."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "benchmarks" / "nas.py"


@pytest.fixture(scope="module")
def nas() -> Any:
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location("nas_benchmark", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["nas_benchmark"] = module  # its dataclass looks itself up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tables(shared_data: Path) -> Path:
    """The folder of the tables."""
    folder = shared_data / "hpo"
    if not (folder / "nasbench_graph.npz").is_file():
        pytest.skip("the tables of architectures are not in shared/data")
    return folder


def test_evolution_reaches_the_target_on_cifar10(nas: Any, tables: Path) -> None:
    """91.2 % within 500 evaluations in the median; here within 200, of five seeds."""
    name, target = nas.TARGET

    runs = [nas.search(tables, name, "evolution", seed, 200) for seed in range(5)]

    assert np.median([run[-1] for run in runs]) >= target


@pytest.mark.parametrize("name", ["cifar100", "arxiv", "cs"])
def test_evolution_beats_random_search(nas: Any, tables: Path, name: str) -> None:
    """After 200 evaluations the median of evolution is above that of random draws."""
    evolution, random = (
        np.median([nas.search(tables, name, strategy, seed, 200)[-1] for seed in range(5)])
        for strategy in ("evolution", "random")
    )

    assert evolution > random


def test_equal_networks_have_one_row(nas: Any, tables: Path) -> None:
    """Nodes may change places and skips be left out; each row of the table is another shape."""
    stored = np.load(tables / "nasbench_graph.npz")
    names, links = stored["op_names"], stored["macro_links"]
    shapes = {
        nas.shape("".join(map(str, links[macro])), [str(names[each]) for each in ops])
        for macro, ops in zip(stored["macro"], stored["ops"], strict=True)
    }

    assert len(shapes) == len(stored["ops"]) == 26206
    assert nas.shape("0012", ["gcn", "skip", "gat", "fc"]) == nas.shape(
        "0012", ["skip", "gcn", "fc", "gat"]
    )
