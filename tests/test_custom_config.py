# ruff: noqa: E501 - each message stands on one line, as its reader sees it
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from raygen.config.load import dump_experiment, load_experiment
from raygen.errors import ConfigError
from raygen.plan import Plan, plan_run, same_but_budget

TRAIN = "def train(parameters, report, resume=None):\n    report({'loss': 1.0}, print)\n"
FUNCTION = """task:
  name: Custom
  objective: train.py:train
  metric: loss
model:
  parameters: {lr: {float: [1e-4, 1e-1], log: true}, width: {choice: [16, 32]}}
"""
COMMAND = FUNCTION.replace(
    "objective: train.py:train", 'command: "python train.py --lr {lr} --width {width}"'
)
Planned = Callable[..., Plan]


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planned:
    """Plan a config beside a file train.py, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def plan(config: str, *overrides: str, train: str | None = TRAIN) -> Plan:
        Path("config.yaml").write_text(config, encoding="utf-8")
        if train is not None:
            Path("train.py").write_text(train, encoding="utf-8")
        return plan_run("config.yaml", overrides)

    return plan


@pytest.mark.parametrize("config", [FUNCTION, COMMAND], ids=["function", "command"])
def test_a_custom_plan_knows_all_without_running_anything(planned: Planned, config: str) -> None:
    """Space, direction and folder are settled; the user's file is read, not run."""
    plan = planned(config, train="raise SystemExit('it was run')\n" + TRAIN)

    assert [each.name for each in plan.space.parameters] == ["lr", "width"]
    assert plan.space.layers == ()
    assert [(each.name, each.mode) for each in plan.blueprint.objectives] == [("loss", "min")]
    assert plan.experiment.name == "train"
    assert plan.experiment.task.folder == "."
    assert plan.blueprint.folds == 0


@pytest.mark.parametrize("config", [FUNCTION, COMMAND], ids=["function", "command"])
def test_the_kept_config_means_the_same(planned: Planned, config: str) -> None:
    """The config in the run's folder, read from there, plans the same run: same words, same files."""
    plan = planned(config)
    Path("runs/train").mkdir(parents=True)
    Path("runs/train/config.yaml").write_text(dump_experiment(plan.experiment), encoding="utf-8")

    again = plan_run("runs/train/config.yaml")

    assert same_but_budget(again.experiment, plan.experiment) == ""
    assert again.blueprint.data_sha == plan.blueprint.data_sha
    assert load_experiment("runs/train/config.yaml").task == plan.experiment.task


def test_another_program_is_another_run(planned: Planned) -> None:
    """The content of the user's file is a part of what a run began with."""
    before = planned(FUNCTION).blueprint.data_sha

    assert planned(FUNCTION, train=TRAIN + "# changed\n").blueprint.data_sha != before
    assert planned(COMMAND, train=TRAIN + "# changed\n").blueprint.data_sha != before


def test_several_metrics_with_their_modes(planned: Planned) -> None:
    """A list of metrics has a list of modes, of which names without doubt need none."""
    two = FUNCTION.replace("metric: loss", "metric: [score, latency]\n  mode: [max, min]")
    known = FUNCTION.replace("metric: loss", "metric: [val_loss, seconds]")

    told = planned(two, "search.algorithm=random").blueprint.objectives
    assert [(each.name, each.mode) for each in told] == [("score", "max"), ("latency", "min")]
    told = planned(known, "search.algorithm=random").blueprint.objectives
    assert [(each.name, each.mode) for each in told] == [("val_loss", "min"), ("seconds", "min")]


def test_a_space_file_without_layers(planned: Planned, tmp_path: Path) -> None:
    """A Custom task may keep its parameters in a file, and replace some of them."""
    text = "parameters: {lr: {float: [0.1, 0.2]}, optimizer: {choice: [lion, muon]}}\n"
    (tmp_path / "space.yaml").write_text(text, encoding="utf-8")
    config = FUNCTION.split("model:")[0] + "model: {space: space.yaml, parameters: {lr: 0.5}}\n"

    plan = planned(config)

    assert [str(each.domain) for each in plan.space.parameters] == ["0.5", "lion | muon"]
    assert plan.experiment.model.space == "space.yaml"


@pytest.mark.parametrize(
    ("config", "train", "starts", "holds"),
    [
        (FUNCTION.replace("  objective: train.py:train\n", ""), TRAIN, "config.yaml:1: task: neither objective nor command given", "for example `objective: train.py:train`"),
        (FUNCTION.replace("  metric", "  command: ls\n  metric"), TRAIN, "config.yaml:4: task.command: both given", "either"),
        (FUNCTION.replace("  metric", "  dataset: {name: digits}\n  metric"), TRAIN, "config.yaml:4: task.dataset: given for Custom", "remove it"),
        (FUNCTION.replace("train.py:train", "train.train"), TRAIN, "config.yaml:3: task.objective: 'train.train' given", "path/to/file.py:function"),
        (FUNCTION.replace("train.py:train", "trian.py:train"), TRAIN, "config.yaml:3: task.objective: no such file: trian.py", "counts from the folder of the config"),
        (FUNCTION.replace("train.py:train", "train.py:trian"), TRAIN, "config.yaml:3: task.objective: train.py has no function 'trian'", "did you mean `train`?"),
        (FUNCTION, "def train(:\n", "config.yaml:3: task.objective: train.py:1: invalid syntax", "Python"),
        (FUNCTION, "\ndef train():\n    pass\n", "config.yaml:3: task.objective: train.py:2: train() takes no parameters", "for example `def train("),
        (FUNCTION, "def train(lr, width):\n    pass\n", "config.yaml:3: task.objective: train.py:1: train(lr, width) needs width besides", "`report` and `resume`"),
        (FUNCTION, "def train(report):\n    pass\n", "config.yaml:3: task.objective: train.py:1: train(report) has report in the place of the parameters", ""),
        (FUNCTION, "async def train(p):\n    pass\n", "config.yaml:3: task.objective: train.py:1: train is no plain function", ""),
        (FUNCTION.replace("  metric: loss\n", ""), TRAIN, "config.yaml:1: task.metric: missing", "for example `metric: loss`"),
        (FUNCTION.replace("metric: loss", "metric: score"), TRAIN, "config.yaml:1: task.mode: missing; whether more or less of 'score' is better must be told", "`mode: max`"),
        (FUNCTION.replace("metric: loss", "metric: loss\n  mode: minimum"), TRAIN, "config.yaml:5: task.mode: 'minimum' given", "max or min"),
        (FUNCTION.replace("metric: loss", "metric: loss\n  mode: [min, max]"), TRAIN, "config.yaml:5: task.mode: 2 modes given for 1 metrics", "one for each"),
        (FUNCTION.replace("metric: loss", "metric: [loss, loss]"), TRAIN, "config.yaml:4: task.metric: a metric given twice", ""),
        (FUNCTION.replace("model:\n", "model:\n  layers: [flatten]\n"), TRAIN, "config.yaml:6: model.layers: given for Custom", "parameters only"),
        (FUNCTION.split("model:")[0], TRAIN, "config.yaml: model.parameters: missing", "at least one parameter"),
        (FUNCTION.replace("metric", "folder: nowhere\n  metric"), TRAIN, "config.yaml:4: task.folder: 'nowhere' given", "such a folder"),
        (COMMAND.replace("{lr}", "{lrr}"), TRAIN, "config.yaml:3: task.command: {lrr} is not known", "did you mean `lr`?"),
        (COMMAND.replace(" --width {width}", ""), TRAIN, "config.yaml:3: task.command: parameter width is not used", "add `--width {width}`"),
        (COMMAND.replace("--lr", "'--lr"), TRAIN, "config.yaml:3: task.command: No closing quotation", "quoted"),
        (COMMAND.replace("python train.py --lr", ""), TRAIN, "config.yaml:3: task.command", "begin with the program"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(
    planned: Planned, config: str, train: str, starts: str, holds: str
) -> None:
    """File, line and key, what was given, what must hold; nothing was run."""
    with pytest.raises(ConfigError) as refused:
        planned(config, train=train)

    said = str(refused.value)
    assert said.startswith(starts), said
    assert holds in said
    assert "\n" not in said
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("key", ["objective: a.py:f", "command: ls", "mode: max", "folder: ."])
def test_keys_of_custom_are_refused_elsewhere(planned: Planned, key: str) -> None:
    """No other task has an objective, a command, a folder or a direction of its own."""
    config = f"task:\n  name: ImageClassification\n  dataset: {{name: digits}}\n  {key}\n"

    with pytest.raises(ConfigError, match=f"task.{key.split(':')[0]}: given for ImageClassif"):
        planned(config)


def test_a_data_set_must_be_given_to_all_others(planned: Planned) -> None:
    """Its absence is told with an example."""
    with pytest.raises(ConfigError, match=r"config.yaml:1: task.dataset: missing; .*name: digits"):
        planned("task: {name: ImageClassification}\n")


def test_check_loads_nothing_that_is_slow(planned: Planned, tmp_path: Path) -> None:
    """Neither ray nor numpy nor the user's own imports are loaded for a check."""
    planned(FUNCTION, train="import torch\n" + TRAIN)
    code = (
        "import sys; from raygen.plan import plan_run; plan_run('config.yaml');"
        "print([m for m in ('ray', 'torch', 'pandas', 'numpy', 'train') if m in sys.modules])"
    )

    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True
    )

    assert said.stdout == "[]\n"


@pytest.mark.parametrize("config", [FUNCTION, COMMAND], ids=["function", "command"])
def test_a_scheduler_that_pauses_needs_checkpoints(planned: Planned, config: str) -> None:
    """Where trials cannot go on from a checkpoint that is refused, with what can be done."""
    from raygen.search.schedulers import SCHEDULERS

    pausing = [name for name, row in SCHEDULERS.items() if row.pauses and not row.mutates]
    without = "def train(parameters, report):\n    report({'loss': 1.0})\n"
    for name in pausing:
        with pytest.raises(ConfigError, match="cannot go on from a checkpoint"):
            planned(config, f"search.scheduler={name}", train=without)
        able = config.replace("--lr", "--state {checkpoint} --lr")
        assert planned(able, f"search.scheduler={name}").blueprint.can_resume
    assert planned(config, "search.scheduler=asha", train=without).space.layers == ()
