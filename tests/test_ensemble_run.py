"""Does the program of an ensemble repeat the scores that the leaderboard tells of it?"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raygen.pipeline import run_steps
from raygen.plan import Plan, plan_run
from raygen.rank.out_of_fold import read_predictions
from raygen.runs.journal import read_events
from raygen.source.ensemble import ensemble_program
from raygen.tasks.fragments.metrics import log_loss

CONFIG = """name: three
framework: {framework}
task: {{name: TabularClassification, dataset: {{name: wine}}, metric: log_loss}}
model:
  layers: [{{dense: {{units: $width}}}}, {{activation: {{name: relu}}}}]
  training: {{batch_size: 16, learning_rate: 0.01}}
  parameters: {{width: {{choice: [4, 6, 8]}}}}
search: {{algorithm: grid, scheduler: fifo, trials: 3, max_epochs: 3}}
rank: {{top: 3, folds: 3}}
"""


@pytest.mark.ray
@pytest.mark.parametrize("framework", ["torch", pytest.param("tensorflow", marks=pytest.mark.slow)])
def test_the_ensemble_repeats_its_scores(
    framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its --cv is what was computed from held-out predictions; without RayGen, weights and all."""
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG.format(framework=framework), encoding="utf-8")

    plan = plan_run("config.yaml")
    board = run_steps(plan, upto="emit").leaderboard

    assert board["ensemble"]["kind"] == "greedy"
    assert len(board["ensemble"]["folds"]) == 3
    assert {"std", "interval", "posterior", "num_parameters"} <= set(board["ensemble"])
    members = board["ensemble"]["members"]
    assert plan.paths.ensemble.exists() == (len(members) > 1)
    if len(members) > 1:
        written = plan.paths.ensemble.read_text(encoding="utf-8")
        assert written.count("    Member(") == len(members)

    counts = {"00000": 1, "00001": 2, "00002": 1}  # whoever is chosen, all of them
    texts = {name: plan.paths.trial(name).model.read_text(encoding="utf-8") for name in counts}
    members = [(name, texts[name], count) for name, count in counts.items()]
    plan.paths.ensemble.write_text(ensemble_program(members, name="three"), encoding="utf-8")
    told = last_line("--cv")
    assert told["folds"] == pytest.approx(of_held_out_rows(plan, counts), rel=1e-5)

    tested = last_line()["test"]
    rows = Path("rows.csv")
    rows.write_text(rows_of_wine(), encoding="utf-8")
    predicted = lines("--predict", str(rows))
    assert len(predicted) == 3
    assert tested.keys() == board["test"].keys()

    bagged = last_line("--bag")["test"]
    assert bagged["log_loss"] != tested["log_loss"]
    assert len(lines("--predict", str(rows))) == 3


@pytest.mark.ray
@pytest.mark.parametrize("framework", ["torch", pytest.param("tensorflow", marks=pytest.mark.slow)])
def test_fold_models_are_scored_by_the_test_rows_alone(
    framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained once, they predict at once; their program gives the same score when typed."""
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG.format(framework=framework), encoding="utf-8")
    rows = Path("rows.csv")
    rows.write_text(rows_of_wine(), encoding="utf-8")

    plan = plan_run("config.yaml", ["rank.ensemble=folds", "rank.top=2"])
    board = run_steps(plan, upto="emit").leaderboard
    told, first = board["ensemble"], board["entries"][0]
    before = lines("--predict", str(rows))
    tested = last_line()["test"]

    assert (told["kind"], told["mean"], told["folds"]) == ("folds", None, [])
    assert told["members"] == {first["trial_id"]: 3}
    assert told["num_parameters"] == 3 * first["num_parameters"]
    assert tested == pytest.approx(told["test"], rel=1e-5)
    assert tested["log_loss"] != board["test"]["log_loss"]
    assert len(before) == 3
    after = lines("--predict", str(rows))
    assert [each["label"] for each in after] == [each["label"] for each in before]
    assert last_line("--cv")["folds"] == pytest.approx(first["folds"], rel=1e-5)

    run_steps(plan, upto="emit")
    trained = [e for e in read_events(plan.paths.journal) if e["event"] == "fold_model"]
    assert [each["fold"] for each in sorted(trained, key=lambda e: e["fold"])] == [0, 1, 2]

    none = plan_run("config.yaml", ["rank.ensemble=none", "rank.top=2"])
    assert run_steps(none, upto="rank").leaderboard["ensemble"] is None
    assert not plan.paths.ensemble.exists()
    assert not plan.paths.ensemble_weights.exists()


def of_held_out_rows(plan: Plan, counts: Mapping[str, int]) -> list[float]:
    """The scores of the members' mean, by what each has predicted of held-out rows."""
    found = [read_predictions(plan.paths.trial(name), 3) for name in counts]
    parts = [each for each in found if each is not None]
    y, fold = plan.load_arrays()["y"][parts[0].rows], parts[0].fold
    together = np.average([each.values for each in parts], axis=0, weights=[*counts.values()])
    return [log_loss(y[fold == k], together[fold == k]) for k in range(3)]


def lines(*words: str) -> list[dict[str, Any]]:
    """What the program prints."""
    file = "runs/three/best/ensemble.py"
    done = subprocess.run(
        [sys.executable, "-I", file, *words], capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def last_line(*words: str) -> dict[str, Any]:
    """The result."""
    return lines(*words)[-1]


def rows_of_wine() -> str:
    """Three rows to predict."""
    from sklearn.datasets import load_wine

    frame = load_wine(as_frame=True).frame.drop(columns="target")
    return str(frame.iloc[[0, 80, 170]].to_csv(index=False))
