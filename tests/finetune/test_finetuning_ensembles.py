"""Is the program of several fine-tunings what their own programs are together?"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_methods import ON_CPU
from test_program_text import PYPROJECT
from test_task_images import config_of, tiny_mobilenet
from tiny import imported, planned, program_of, write_config

from raygen.finetune.blueprint import PretrainedBlueprint
from raygen.pipeline import run_steps
from raygen.plan import plan_run
from raygen.rank.out_of_fold import read_predictions
from raygen.source.candidate import Candidate
from raygen.source.definitions import definitions_of
from raygen.source.ensemble import ensemble_program
from raygen.tasks.fragments.metrics import log_loss

SECTION = {
    "training": {"warmup_epochs": 0.5},
    "parameters": {
        "learning_rate": {"float": [1e-4, 1e-1], "log": True},
        "batch_size": {"choice": [8, 16]},
    },
}
VALUES = (
    {"learning_rate": 3e-3, "batch_size": 8},
    {"learning_rate": 1e-2, "batch_size": 16},
)


def ensemble_of_two(blueprint: PretrainedBlueprint, folder: Path) -> Path:
    """The program of two candidates, the first of which is counted twice."""
    texts = [blueprint.render(Candidate(values)).text for values in VALUES]
    members = [("00000", texts[0], 2), ("00001", texts[1], 1)]
    path = folder / "ensemble.py"
    path.write_text(ensemble_program(members, name="two"), encoding="utf-8")
    return path


def silent(metrics: dict[str, Any], save: object) -> None:
    """Report nothing."""


@pytest.mark.parametrize("method", ON_CPU)
def test_members_are_trained_as_by_their_own_files(method: str, folder: Path, model: Path) -> None:
    """Whatever is trained, the mean of the predictions of a fold is that of both files' own."""
    blueprint = planned(write_config(folder, model, model={**SECTION, "method": method}))
    arrays = blueprint.load_arrays()
    x, y = arrays["x"], arrays["y"]
    program = imported(ensemble_of_two(blueprint, folder))
    program.print_report = silent
    _, held_out = program.split(y, 0)

    found = program.train_members(x, y, [0], x[held_out])
    again = program.train_members(x, y, [None], x[held_out], folder=str(folder / "weights"))
    loaded = program.predict_together(str(folder / "weights"), x[held_out])

    own = []
    for values in VALUES:
        alone = program_of(blueprint, folder, **values)
        network, statistics, _ = alone.train(x, y, 0, silent)
        own.append(alone.predict(network, x[held_out], statistics))
    np.testing.assert_array_equal(found, np.average(np.array(own, float), axis=0, weights=[2, 1]))
    np.testing.assert_array_equal(loaded, again)


@pytest.mark.parametrize("method", ON_CPU)
def test_the_text_has_nothing_twice_and_nothing_missing(
    method: str, folder: Path, model: Path
) -> None:
    """What is the same stands there once; ruff finds no name without a meaning, none unused."""
    config = write_config(folder, model, model={**SECTION, "method": method})
    path = ensemble_of_two(planned(config), folder)

    text = path.read_text(encoding="utf-8")
    names = [each for found in definitions_of(text) for each in found.names]
    command = [sys.executable, "-m", "ruff", "check", "--quiet", "--config", str(PYPROJECT)]
    ruff = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)

    assert ruff.stdout == ""
    assert len(set(names)) == len(names)
    assert {"SCHEDULE_0", "SCHEDULE_1", "train_0", "predict", "load_data"} <= set(names)
    assert not {"train", "merge", "load_data_0", "preprocess"} & set(names)
    assert "raygen" not in {root for root in imported_roots(text)}


def imported_roots(text: str) -> list[str]:
    """What a program imports, by the first word."""
    found = []
    for node in ast.walk(ast.parse(text)):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        found += [name.partition(".")[0] for name in names]
    return found


GRID = {"training": {"batch_size": 16}, "parameters": {"learning_rate": {"choice": [3e-3, 1e-2]}}}


@pytest.mark.slow
def test_texts_repeat_their_scores(folder: Path, model: Path) -> None:
    """The --cv of the emitted ensemble is what the leaderboard has of it, digit for digit."""
    repeats_its_scores(write_config(folder, model, model=GRID), folder)


@pytest.mark.slow
def test_images_repeat_their_scores(photos: Path, tmp_path: Path) -> None:
    """So does that of images; their files are read from their folder."""
    seeing = tmp_path / "seeing"
    tiny_mobilenet(seeing)
    told = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    (seeing / "preprocessor_config.json").write_text(json.dumps(told), encoding="utf-8")
    config = config_of(photos, seeing, **GRID)

    repeats_its_scores(config, tmp_path)


def repeats_its_scores(config: Path, folder: Path) -> None:
    """Run a search of two candidates, and both of them together, whoever is chosen."""
    terms = ["rank.top=2", "rank.folds=3", "search.trials=2", "search.algorithm=grid"]
    terms += ["search.scheduler=fifo", "task.metric=log_loss"]
    plan = plan_run(config, terms, run_dir=str(folder / "run"))
    board = run_steps(plan, upto="emit").leaderboard
    written = plan.paths.ensemble.exists()

    trials = {name: plan.paths.trial(name) for name in ("00000", "00001")}
    counts = {"00000": 1, "00001": 2}
    members = [(name, paths.model.read_text(), counts[name]) for name, paths in trials.items()]
    plan.paths.ensemble.write_text(ensemble_program(members, name="two"), encoding="utf-8")
    command = [sys.executable, "-I", str(plan.paths.ensemble), "--cv"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]

    found = [read_predictions(paths, 3) for paths in trials.values()]
    parts = [each for each in found if each is not None]
    together = np.average([each.values for each in parts], axis=0, weights=[*counts.values()])
    y, fold = plan.load_arrays()["y"][parts[0].rows], parts[0].fold
    expected = [log_loss(y[fold == k], together[fold == k]) for k in range(3)]
    assert lines[-1]["folds"] == pytest.approx(expected, rel=1e-9)
    assert [line["member"] for line in lines[:-1]] == [0, 0, 1, 1] * 3
    assert written == (len(board["ensemble"]["members"]) > 1)
