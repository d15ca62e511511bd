"""Rows dealt in every way, on real workers: what the ranking says, ``--cv`` says again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from raygen import pipeline
from raygen.plan import plan_run

pytestmark = [pytest.mark.ray, pytest.mark.slow]

_YAML = """name: dealt
task: {name: TabularClassification, dataset: {path: visits.csv, target: label}}
model:
  layers: [{dense: {units: $width}}, {activation: {name: relu}}]
  parameters: {width: {choice: [4, 8]}}
search: {algorithm: grid, scheduler: fifo, trials: 2, max_epochs: 2}
rank: RANK
output: out.py
"""


@pytest.mark.parametrize(
    ("rank", "scores", "tells_optimism"),
    [
        ("{split: grouped, by: site, folds: 2, repeats: 2}", 4, True),
        ("{split: leave-one-group-out, by: site, folds: 7}", 7, True),
        ("{split: ordered, by: day, folds: 3, window: 60, gap: 5}", 3, False),
        ("{split: 'splits.py:by_parity', folds: 2}", 2, True),
        ("{split: 'splits.py:after_a_gap', folds: 2}", 2, False),
    ],
    ids=["groups dealt anew", "each group", "windows", "fold numbers", "pairs"],
)
def test_cv_gives_the_scores_of_the_leaderboard(
    rank: str, scores: int, tells_optimism: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digit for digit, by the winner's file alone."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"value": rng.normal(size=240), "day": rng.permutation(240)})
    frame["site"] = [f"site {number}" for number in rng.integers(0, 8, 240)]
    frame["label"] = np.where(frame["value"] + rng.normal(size=240) > 0, "yes", "no")
    frame.to_csv("visits.csv", index=False)
    Path("splits.py").write_text(
        "import numpy as np\n"
        "def by_parity(rows):\n"
        "    return rows['day'] % 2\n"
        "def after_a_gap(rows):\n"
        "    day = rows['day'].to_numpy()\n"
        "    for start in (100, 150):\n"
        "        yield day < start - 10, np.flatnonzero((day >= start) & (day < start + 50))\n",
        encoding="utf-8",
    )
    Path("config.yaml").write_text(_YAML.replace("RANK", rank), encoding="utf-8")

    board = pipeline.run_steps(plan_run("config.yaml"), upto="emit").leaderboard

    first = board["entries"][0]
    command = [sys.executable, "out.py", "--cv"]
    Path("splits.py").unlink()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["folds"] == first["folds"]
    assert len(first["folds"]) == scores
    assert (board["optimism"] is not None) == tells_optimism


def test_other_seeds_see_the_same_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chosen one's program scores the same rows with another SEED; asked again, nothing is."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 5))).add_prefix("x")
    frame["label"] = np.where(frame["x0"] * frame["x1"] > 0, "yes", "no")
    frame.to_csv("visits.csv", index=False)
    text = _YAML.replace("RANK", "{folds: 3, repeats: 2, seeds: 3, rope: 0.0001}")
    Path("config.yaml").write_text(text, encoding="utf-8")

    board = pipeline.run_steps(plan_run("config.yaml"), upto="emit").leaderboard
    again = pipeline.run_steps(plan_run("config.yaml"), upto="rank").leaderboard

    first, seeds = board["entries"][0], board["seeds"]
    assert [each[0] for each in seeds["scores"]] == first["folds"][:3]
    assert [len(each) for each in seeds["scores"]] == [3, 3, 3]
    assert seeds["freedom"] == 6
    assert any(each["verdict"] == "unstable over seeds" for each in first["diagnosis"])
    events = Path("runs/dealt/journal.jsonl").read_text("utf-8").splitlines()
    assert sum(json.loads(line)["event"] == "seed" for line in events) == 6
    assert again["seeds"] == seeds
    assert not list(Path("runs/dealt/trials").glob("*/*seed*"))

    names: dict[str, Any] = {"__name__": "model", "__file__": str(Path("out.py").resolve())}
    exec(compile(Path("out.py").read_text("utf-8"), "out.py", "exec"), names)
    x, y, _, _ = names["load_data"]()
    rows = names["split"](y, 1)
    names |= {"split": lambda *_: rows, "SEED": names["SEED"] + 2}
    _, _, metrics = names["train"](x, y, 1, report=lambda *_: None)
    assert metrics["accuracy"] == seeds["scores"][1][2]
