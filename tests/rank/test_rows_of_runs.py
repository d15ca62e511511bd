from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from raygen.plan import plan_run
from raygen.source.candidate import Candidate
from raygen.source.render import Blueprint

CONFIG = """name: dealt
task: {{name: TabularClassification, dataset: {{path: dealt.csv, target: label}}}}
model: {{layers: [{{dense: {{units: 4}}}}]}}
rank: {{folds: 3, {rank}}}
seed: 5
"""


def program_of(blueprint: Blueprint, folder: Path) -> Any:
    """The only candidate's program, imported."""
    path = folder / "model.py"
    path.write_text(blueprint.render(Candidate({})).text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("dealt_model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "rank",
    [
        "repeats: 1",
        "repeats: 2",
        "split: grouped, by: who",
        "split: ordered, by: day",
        "split: column, by: part",
    ],
)
def test_the_folds_are_those_of_the_programs(
    rank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However rows are dealt; each fold of each repeat."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=90), "label": np.arange(90) % 2})
    frame = frame.assign(who=np.arange(90) // 7, day=rng.permutation(90), part=np.arange(90) % 4)
    frame.loc[frame["part"] == 3, "part"] = 0
    frame.to_csv("dealt.csv", index=False)
    Path("config.yaml").write_text(CONFIG.format(rank=rank), encoding="utf-8")
    blueprint = plan_run("config.yaml").blueprint
    assert isinstance(blueprint, Blueprint)

    y, program = blueprint.load_arrays()["y"], program_of(blueprint, tmp_path)

    for fold in range(program.FOLDS):
        for here, there in zip(blueprint.split(y, fold), program.split(y, fold), strict=True):
            np.testing.assert_array_equal(here, there)
