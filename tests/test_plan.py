from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from raygen.config.load import dump_experiment, load_experiment
from raygen.errors import ConfigError, EnvironmentProblem, RunError, SourceError
from raygen.plan import Plan, plan_run, same_but_budget

DIGITS = """task:
  name: ImageClassification
  dataset: {name: digits}
"""
Planned = Callable[..., Plan]


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planned:
    """Plan the digits config, with more of a config below it and ``key=value`` pairs beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def plan(*overrides: str, more: str = "", **arguments: str) -> Plan:
        Path("config.yaml").write_text(DIGITS + more, encoding="utf-8")
        return plan_run("config.yaml", overrides, **arguments)

    return plan


def test_a_plan_knows_everything_and_writes_nothing(planned: Planned, tmp_path: Path) -> None:
    """Data, space, metric and folder of the run are settled before anything is begun."""
    plan = planned("seed=3", "resources.cpus_per_trial=1", output="best.py")

    assert plan.blueprint.told() == "1437 training and 360 test rows, 10 classes"
    assert plan.space.name == "image/convnet"
    assert (plan.blueprint.metric, plan.blueprint.seed, plan.blueprint.threads) == (
        "accuracy",
        3,
        1,
    )
    assert plan.experiment.output == "best.py"
    assert plan.paths.folder == Path("runs/digits")
    assert [file.name for file in tmp_path.iterdir()] == ["config.yaml"]


def test_the_completed_config_loads_back(planned: Planned) -> None:
    """What a run keeps as its config means what was planned, defaults by task included."""
    plan = planned()
    Path("kept.yaml").write_text(dump_experiment(plan.experiment), encoding="utf-8")

    kept = load_experiment("kept.yaml")

    assert (kept.task.metric, kept.model.space) == ("accuracy", "image/convnet")
    assert same_but_budget(kept, plan.experiment) == ""
    assert dump_experiment(plan_run("kept.yaml").experiment) == dump_experiment(plan.experiment)


@pytest.mark.parametrize(
    ("override", "differs"),
    [
        ("seed=1", "seed"),
        ("framework=tensorflow", "framework"),
        ("task.metric=log_loss", "task"),
        ("model.space=image/mlp", "model"),
        ("search.max_epochs=3", "search.max_epochs"),
        ("search.algorithm=random", "search.algorithm"),
        ("search.scheduler=fifo", "search.scheduler"),
        ("rank.folds=3", "rank.folds"),
        ("search.trials=99", ""),
        ("search.time_budget=1h", ""),
        ("rank.top=1", ""),
        ("output=other.py", ""),
        ("resources.concurrent=1", ""),
        ("name=other", ""),
    ],
)
def test_what_another_result_depends_on_makes_another_run(
    planned: Planned, override: str, differs: str
) -> None:
    """Budgets may be raised in mid-run; what the scores depend on may not be changed."""
    assert same_but_budget(planned().experiment, planned(override).experiment) == differs


def test_a_named_cluster_is_asked_for_its_size(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this machine lacks, the cluster of RAY_ADDRESS may have."""
    with pytest.raises(EnvironmentProblem):
        planned("resources.cpus_per_trial=4096")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")

    assert planned("resources.cpus_per_trial=4096").blueprint.threads == 4096


def test_a_corner_of_the_space_that_cannot_be_built_is_found(planned: Planned) -> None:
    """One candidate in a thousand is enough to be told before the search."""
    model = """model:
  layers:
    - repeat: $depth
      of: [{conv: {filters: 8, kernel: 3}}]
    - choose: $end
      from: {flat: [flatten], pooled: [{pool: {size: 8}}, flatten]}
  parameters: {depth: {int: [1, 2]}, end: {choice: [flat, pooled]}}
"""
    pools = model.replace("{conv: {filters: 8, kernel: 3}}", "{pool: {size: 2}}")

    assert planned(more=model.replace("size: 8", "size: 2")).space.size() == 4
    with pytest.raises(SourceError, match="pool of size 8"):
        planned(more=pools)


def test_an_output_probe_leaves_nothing(planned: Planned, tmp_path: Path) -> None:
    """That the winner can be written is found out without a trace; an old winner stays."""
    (tmp_path / "out").mkdir()
    winner = '"""Digits: a PyTorch network found by RayGen.\n"""\n'
    (tmp_path / "model.py").write_text(winner, encoding="utf-8")

    planned()
    planned(output="out/best.py")

    assert list((tmp_path / "out").iterdir()) == []
    assert (tmp_path / "model.py").read_text(encoding="utf-8") == winner
    with pytest.raises(RunError, match="is a folder"):
        planned(output="out")
    (tmp_path / "model.py").write_text("# mine", encoding="utf-8")
    with pytest.raises(RunError, match="was not written by RayGen"):
        planned()


def test_an_outer_fold_is_kept_from_its_run(planned: Planned) -> None:
    """Its rows take the place of the test rows, and those are not looked at."""
    plan = planned("rank.folds=4", "rank.nested=true")
    whole, outer = plan.load_arrays(), plan.outer(2).load_arrays()

    train, held_out = plan.blueprint.split(whole["y"], 2)

    assert not set(train) & set(held_out)
    assert len(train) + len(held_out) == len(whole["y"])
    for name, rows in (("", train), ("_test", held_out)):
        assert np.array_equal(outer[f"x{name}"], whole["x"][rows])
        assert np.array_equal(outer[f"y{name}"], whole["y"][rows])
    assert plan.outer(2).paths.folder == plan.paths.folder / "nested" / "2"
    assert plan.outer(2).storage is None
    stored = planned("rank.nested=true", "storage=s3://bucket/runs/")
    assert stored.outer(2).storage == f"s3://bucket/runs/{stored.paths.folder.name}/nested"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            "rank: {nested: true, split: ordered, by: day}",
            "config.yaml:4: rank.nested: true given, and split ordered",
        ),
        (
            "rank: {nested: true, split: grouped, by: day}",
            "the rows of a part must be dealt anew, which a column or a function cannot do",
        ),
    ],
)
def test_rows_that_a_column_deals_are_not_nested(planned: Planned, more: str, told: str) -> None:
    """What a column says of all rows it does not say of a part of them."""
    with pytest.raises(ConfigError, match=re.escape(told)):
        planned(more=more)


def test_a_program_of_the_users_own_is_not_nested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no rows."""
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("def train(**values): return 1.0\n", encoding="utf-8")
    text = "task: {name: Custom, objective: train.py:train, metric: score}\nrank: {nested: true}\n"
    Path("config.yaml").write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError, match="only a data set has rows that can be kept from"):
        plan_run("config.yaml")
