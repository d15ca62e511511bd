from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raygen import pipeline
from raygen.plan import plan_run

pytestmark = [pytest.mark.slow, pytest.mark.ray]

CONFIG = """task:
  name: ImageClassification
  dataset: {name: digits}
model:
  layers:
    - conv: {filters: 8, kernel: 3}
    - norm
    - activation: {name: relu}
    - flatten
    - dropout: {rate: $dropout}
  parameters:
    dropout: {float: [0.0, 0.5]}
    learning_rate: {float: [1.0e-3, 1.0e-2], log: true}
search: {algorithm: random, trials: 3, max_epochs: 3}
rank: {top: 2, folds: 3}
resources: {concurrent: 1}
"""
NEEDED = {"torch": ["torch", "scikit-learn"], "tensorflow": ["tensorflow-cpu", "scikit-learn"]}


def closure(names: list[str]) -> set[str]:
    """The packages and all that they require, as they are installed here."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # for another system
        found.add(name)
        waiting += [
            re.split(r"[^\w.-]", each, maxsplit=1)[0] for each in requires if "extra ==" not in each
        ]
    return found


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes an empty virtual environment with a framework and nothing of ours in it."""

    def make(framework: str) -> str:
        folder = tmp_path_factory.mktemp(framework)
        venv.create(folder, with_pip=False)
        (site,) = folder.glob("lib/python*/site-packages")
        for name in closure(NEEDED[framework]):
            distribution = importlib.metadata.distribution(name)
            for top in {file.parts[0] for file in distribution.files or ()}:
                source = Path(str(distribution.locate_file(top)))
                link = site / top
                if top in ("..", "__pycache__") or not source.exists() or link.exists():
                    continue
                link.symlink_to(source)
        return str(folder / "bin" / "python")

    return make


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_the_file_alone_repeats_its_scores(
    framework: str, python: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without RayGen and Ray the winner gives the very fold scores, trains, and predicts."""
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG, encoding="utf-8")
    few = [] if framework == "torch" else ["search.trials=1", "rank.top=1", "rank.folds=2"]
    Path("out").mkdir()
    plan = plan_run("config.yaml", [f"framework={framework}", *few], output="out/model.py")
    board = pipeline.run_steps(plan, upto="emit").leaderboard
    winner = board["entries"][0]
    interpreter = python(framework)

    def run(*arguments: str) -> list[Any]:
        done = subprocess.run(
            [interpreter, *arguments],
            cwd=tmp_path / "out",
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    for module in ("raygen", "ray"):
        absent = subprocess.run(
            [interpreter, "-c", f"import {module}"], capture_output=True, check=False
        )
        assert b"ModuleNotFoundError" in absent.stderr
    assert hashlib.sha256(Path("out/model.py").read_bytes()).hexdigest() == winner["source_sha"]

    *epochs, folds = run("model.py", "--cv")
    assert folds == {"folds": winner["folds"], "mean": winner["mean"], "std": winner["std"]}
    assert len(epochs) == 3 * len(winner["folds"])

    assert run("model.py")[-1] == {"test": board["test"]}
    assert (tmp_path / "out/weights").is_dir()

    np.savez("rows.npz", x=np.zeros((3, 8, 8, 1), np.uint8))
    rows = run("model.py", "--predict", str(tmp_path / "rows.npz"))
    assert [row["row"] for row in rows] == [0, 1, 2]
    assert all(row["label"] in range(10) and 0 < row["probability"] <= 1 for row in rows)


def test_the_interpreter_of_the_tests_is_another(python: Any) -> None:
    """The empty environment really is one of its own."""
    assert Path(python("torch")).parent != Path(sys.executable).parent
