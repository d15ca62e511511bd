"""Does a model.py read its data set by the URI that it holds, without RayGen?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import ray

from raygen.pipeline import generate
from raygen.plan import plan_run
from raygen.source.candidate import Candidate

CONFIG = """\
task:
  name: TabularClassification
  dataset: {{path: "{path}", target: kind}}
model: {{space: tabular/mlp}}
search: {{max_epochs: 2}}
rank: {{folds: 2}}
"""


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of two kinds."""
    monkeypatch.chdir(tmp_path)
    width = np.random.default_rng(0).normal(size=60)
    frame = pd.DataFrame({"width": width, "kind": np.where(width > 0, "wide", "narrow")})
    frame.to_csv("rows.csv", index=False)
    return tmp_path / "rows.csv"


def emitted(path: str, folder: Path) -> Path:
    """The program of a candidate for a data set."""
    folder.mkdir()
    (folder / "config.yaml").write_text(CONFIG.format(path=path))
    blueprint: Any = plan_run(folder / "config.yaml").blueprint
    values = blueprint.space.sample(np.random.default_rng(0))
    (folder / "model.py").write_text(blueprint.render(Candidate(values)).text)
    for module in ("raygen", "ray"):  # that it would find instead of the real ones
        (folder / f"{module}.py").write_text("raise ImportError('the program stands alone')")
    return folder / "model.py"


def run(program: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What it prints."""
    return subprocess.run(
        [sys.executable, program.name, *words],
        cwd=program.parent,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def test_its_scores_are_those_of_the_file(rows: Path, web: Any, tmp_path: Path) -> None:
    """And it copies what RayGen has not copied before; rows to predict may lie there too."""
    uri = f"{web.uri}/rows.csv"
    by_path, by_uri = emitted(str(rows), tmp_path / "one"), emitted(uri, tmp_path / "other")
    cache = str(tmp_path / "of another machine")
    web.loaded.clear()

    expected, found = run(by_path), run(by_uri, DATASET_CACHE=cache)

    assert json.loads(found.stdout.splitlines()[-1])["test"] is not None, found.stderr
    assert found.stdout == expected.stdout
    assert web.loaded == ["/rows.csv"]
    assert found.stderr.startswith(f"copying {uri} to {cache}/")
    told = [run(by_uri, "--predict", each).stdout for each in (str(rows), uri)]
    assert told[0] == told[1] != ""


def test_what_is_gone_is_one_line(rows: Path, web: Any, tmp_path: Path) -> None:
    """So is a store that no package reads."""
    program = emitted(f"{web.uri}/rows.csv", tmp_path / "one")
    rows.unlink()

    gone = run(program)
    absent = run(program, "--data", "s3://bucket/rows.csv", PYTHONPATH=str(without_s3fs(tmp_path)))

    assert gone.returncode == absent.returncode == 1
    assert gone.stderr.splitlines()[-1].startswith(f"FileNotFoundError: {web.uri}/rows.csv cannot")
    assert absent.stderr == (
        "FileNotFoundError: s3://bucket/rows.csv cannot be read: pip install fsspec s3fs\n"
    )


def without_s3fs(folder: Path) -> Path:
    """A place for packages, before all others, where that one fails to be imported."""
    (folder / "packages").mkdir()
    (folder / "packages/s3fs.py").write_text("raise ImportError('not here')")
    return folder / "packages"


def test_check_says_what_is_not_there(rows: Path, web: Any) -> None:
    """In one line with file, line, key and remedy; nothing is written."""
    Path("config.yaml").write_text(CONFIG.format(path=f"{web.uri}/rovs.csv"))

    done = subprocess.run(
        [sys.executable, "-m", "raygen", "check", "config.yaml"], capture_output=True, text=True
    )

    assert done.returncode == 2
    assert done.stderr == (
        f"Error: config.yaml:3: task.dataset.path: nothing is at {web.uri}/rovs.csv; "
        "look at its name, that of its bucket included\n"
    )
    assert sorted(each.name for each in rows.parent.iterdir()) == ["config.yaml", "rows.csv"]


@pytest.mark.ray
def test_a_run_on_rows_at_a_uri_is_that_on_their_file(
    rows: Path, web: Any, on_one_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same leaderboard, its sha256s apart; and the rows are never in Ray's object store."""
    put: list[Any] = []
    real = ray.put
    monkeypatch.setattr(ray, "put", lambda value: (put.append(value), real(value))[1])
    boards = []
    for number, path in enumerate((str(rows), f"{web.uri}/rows.csv")):
        Path("config.yaml").write_text(CONFIG.format(path=path))
        changes = ["search.trials=2", "search.scheduler=fifo", "rank.top=1", f"name=run{number}"]
        boards.append(generate("config.yaml", [*changes, "search.algorithm=random"]).leaderboard)
        shared = [value for value in put if isinstance(value, dict) and "x_test" in value]
        assert len(shared) == 1  # by the first run

    scores = [[(e["candidate"], e["folds"], e["mean"]) for e in b["entries"]] for b in boards]
    assert scores[0] == scores[1]
    assert boards[0]["test"].keys() == boards[1]["test"].keys()
    assert (rows.parent / "runs/run1/best/weights").is_dir()
