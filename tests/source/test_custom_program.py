# ruff: noqa: E501 - each case stands on one line, as its reader sees it
from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from raygen.config.domain import Choice, Float
from raygen.config.space import Condition, Parameter, Space
from raygen.source.candidate import Candidate
from raygen.source.custom import CustomBlueprint
from raygen.source.user_command import read_command
from raygen.source.user_function import read_function
from raygen.tasks.task import Objective

VALUES = {"lr": 0.5, "width": 16}
SPACE = Space(
    "config",
    (),
    parameters=(
        Parameter("lr", Float(0.1, 1.0), "training"),
        Parameter("width", Choice((16, 32))),
        Parameter("momentum", Float(0.0, 0.9), when=Condition("width", (32,))),
    ),
)
WALK = """
import json
from pathlib import Path

def train(parameters, report, resume=None):
    path = json.loads((Path(resume) / "path.json").read_text()) if resume else []
    for epoch in range(len(path) + 1, parameters["epochs"] + 1):
        path.append(parameters["lr"] * epoch + parameters["seed"])

        def save(folder):
            (Path(folder) / "path.json").write_text(json.dumps(path))

        report({"loss": sum(path), "epoch": epoch}, save)
"""
STEPS = """
import json, os, sys, time
from pathlib import Path

lr, state = float(sys.argv[1]), Path(sys.argv[2]) / "path.json"
path = json.loads(state.read_text()) if state.exists() else []
for epoch in range(len(path) + 1, 5):
    path.append(lr * epoch)
    time.sleep(0.3)  # as long as an epoch of anything real takes
    state.with_suffix(".new").write_text(json.dumps(path))
    os.replace(state.with_suffix(".new"), state)
    print("hello")
    print(json.dumps({"loss": sum(path), "epoch": epoch}))
"""

Written = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A model.py in a folder of its own, beside the user's: its path."""
    numbers = itertools.count()

    def write(
        program: str,
        *,
        command: str = "",
        values: Mapping[str, Any] = VALUES,
        metrics: tuple[str, ...] = ("loss",),
        epochs: int = 4,
        changes: Any = (),
    ) -> Path:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        (home / "train.py").write_text(program, encoding="utf-8")
        own = (
            read_command(command, SPACE, where="")
            if command
            else read_function("train.py:train", home, where="")
        )
        blueprint = CustomBlueprint(
            name="walk",
            objectives=tuple(Objective(name, "min") for name in metrics),
            space=SPACE,
            seed=0,
            epochs=epochs,
            folder=home,
            program=own,
        )
        folder = tmp_path / f"trial{next(numbers)}"
        folder.mkdir()
        source = blueprint.render(Candidate(values), changes=changes)
        (folder / "model.py").write_text(source.text, encoding="utf-8")
        return folder / "model.py"

    return write


def run(model: Path, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    """Run a model.py where RayGen cannot be imported; gives its lines of JSON."""
    done = start(model, *arguments)
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line[:1] == "{"]


def start(model: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a model.py where RayGen cannot be imported, to whatever end."""
    block = model.parent / "block"
    (block / "raygen").mkdir(parents=True, exist_ok=True)
    (block / "raygen" / "__init__.py").write_text("raise ImportError('blocked')")
    return subprocess.run(
        [sys.executable, str(model), *arguments],
        capture_output=True,
        text=True,
        cwd=model.parent,
        env=os.environ | {"PYTHONPATH": str(block)},
        check=False,
    )


LINE = "python train.py {lr} {checkpoint} --width {width} --momentum {momentum}"


@pytest.mark.parametrize("command", ["", LINE], ids=["function", "command"])
def test_it_runs_without_raygen(written: Written, command: str) -> None:
    """The file alone, with the user's own, gives a line of JSON for each epoch."""
    told = run(written(STEPS if command else WALK, command=command))

    assert told == [{"epoch": n, "loss": 0.5 * n * (n + 1) / 2} for n in range(1, 5)]


@pytest.mark.parametrize("command", ["", LINE], ids=["function", "command"])
def test_it_goes_on_from_its_checkpoint(written: Written, command: str, tmp_path: Path) -> None:
    """Two epochs, a stop, and the others are all four."""
    model = written(STEPS if command else WALK, command=command)
    whole = run(model)

    first = run(model, "--checkpoint", str(tmp_path / "kept"), "--epochs", "2")
    rest = run(model, "--checkpoint", str(tmp_path / "kept"))

    assert first + rest == whole
    assert len(first) == 2
    assert not list(model.parent.glob("checkpoint*"))


@pytest.mark.parametrize("command", ["", LINE], ids=["function", "command"])
def test_a_schedule_is_replayed_by_itself(written: Written, command: str) -> None:
    """Where SCHEDULE changes a value the program is ended, and goes on with the new one."""
    program = STEPS + "    time.sleep(0.3)\n" if command else WALK

    told = run(
        written(
            "import time\n" + program, command=command, changes=[(1, {"lr": 1.0}), (3, {"lr": 2.0})]
        )
    )

    assert [each["loss"] for each in told] == [0.5, 0.5 + 2, 0.5 + 2 + 3, 0.5 + 2 + 3 + 8]


def test_another_seed_is_another_run(written: Written) -> None:
    """The seed reaches the function beside its parameters."""
    told = run(written(WALK), "--seed", "7")

    assert [each["loss"] for each in told[:2]] == [7.5, 15.5]


def test_the_users_files_are_found_where_they_are_unchanged(
    written: Written, tmp_path: Path
) -> None:
    """A folder above the file that holds another train.py does not take its place."""
    model = written(WALK)
    (model.parent / "train.py").write_text("raise SystemExit('the wrong one')")
    assert len(run(model)) == 4

    (tmp_path / "home" / "train.py").rename(tmp_path / "train.py")  # above the trial's folder
    assert len(run(model)) == 4

    (tmp_path / "train.py").write_text(WALK + "# changed\n")
    (model.parent / "train.py").unlink()
    told = start(model)
    assert told.returncode == 0
    assert "train.py has changed since it was searched" in told.stderr

    (tmp_path / "train.py").unlink()
    assert "train.py must lie in" in start(model).stderr


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("def train(p):\n    return p['lr']", [{"epoch": 4, "loss": 0.5}]),
        ("def train(p):\n    return {'loss': 2, 'f1': 1}", [{"epoch": 4, "loss": 2.0, "f1": 1}]),
        ("def train(p, report):\n    report({'loss': 3})\n    report({'loss': 2})", [{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 2.0}]),
        ("def train(p, report):\n    report({'loss': 3, 'epoch': 3})\n    return 9", [{"epoch": 3, "loss": 3.0}]),
        ("def train(p, report):\n    for _ in range(99):\n        report({'loss': 3})", [{"epoch": n, "loss": 3.0} for n in range(1, 5)]),
        ("import numpy as np\ndef train(p, **more):\n    more['report']({'loss': np.float32(0.5)})", [{"epoch": 1, "loss": 0.5}]),
    ],
)  # fmt: skip
def test_functions_may_report_as_they_like(
    written: Written, body: str, told: list[dict[str, Any]]
) -> None:
    """By return or by report, with an epoch or counted by calls, up to the last epoch."""
    assert run(written(body + "\n")) == told


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("report({'los': 1})", "ValueError: metric 'loss' must be reported; los was"),
        ("report({'loss': 'low'})", "ValueError: metric 'loss' must be a number, not 'low'"),
        ("report({'loss': [1]})", "ValueError: 'loss' must be a number or a text, not a list"),
        ("report(0.5)", "ValueError: report() must be given a dict, not a float"),
        ("report({'loss': 1, 'epoch': 0})", "ValueError: epoch 0 was reported after epoch 0; 1 is the first"),
        ("report({'loss': 1, 'epoch': 2}); report({'loss': 1, 'epoch': 2})", "ValueError: epoch 2 was reported after epoch 2; 1 is the first"),
        ("pass", "ValueError: the objective must report its metrics, or return them; it did neither"),
    ],
)  # fmt: skip
def test_what_cannot_be_reported_is_told(written: Written, body: str, line: str) -> None:
    """The last line of what it says names what was wrong."""
    done = start(written(f"def train(parameters, report):\n    {body}\n"))

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == line


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("import sys; print('no', file=sys.stderr); sys.exit(3)", "ended with exit code 3: no"),
        ("raise ValueError('bad lr')", "ended with exit code 1: ValueError: bad lr"),
        ("print('{\"los\": 1}')", "printed no line of JSON with 'loss'; its last had los"),
        ("print('nothing')", "printed no line of JSON with 'loss'"),
    ],
)
def test_a_command_that_fails_is_told_with_its_last_line(
    written: Written, body: str, line: str
) -> None:
    """Its exit code and the last line of its standard error, after the command as typed."""
    done = start(written(body + "\n", command="python train.py {lr} {width} {momentum}"))

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(line)


def test_a_command_that_is_not_there_is_told(written: Written) -> None:
    """Nothing can be started by that name."""
    done = start(written("", command="no-such-program {lr} {width} {momentum}"))

    assert "`no-such-program 0.5 16` cannot be started: No such file or directory" in done.stderr


def test_values_reach_a_command_as_single_words(written: Written) -> None:
    """No shell sees them: quotes, spaces and dollars in a value stay one argument."""
    body = "import json, sys\nprint(json.dumps({'loss': 1, 'said': ' '.join(sys.argv[1:])}))\n"
    command = "python train.py 'a b' --x={width} {{not}} {lr} --m {momentum}"

    (told,) = run(written(body, command=command, values={"lr": "$(rm -r x); 'q'", "width": True}))

    assert told["said"] == "a b --x=true {not} $(rm -r x); 'q'"


def test_inactive_parameters_are_left_out_of_a_command(written: Written) -> None:
    """Neither the option nor an empty value remains of them."""
    body = "import json, sys\nprint(json.dumps({'loss': 1, 'said': sys.argv[1:].__str__()}))\n"
    command = "python train.py {lr} --width={width} --m {momentum}"

    (without,) = run(written(body, command=command))
    (active,) = run(written(body, command=command, values=VALUES | {"momentum": 0.9}))

    assert without["said"] == "['0.5', '--width=16']"
    assert active["said"] == "['0.5', '--width=16', '--m', '0.9']"


def test_modules_beside_the_users_file_are_found(written: Written, tmp_path: Path) -> None:
    """Even one that is called model, as this very program is."""
    model = written("from model import LOSS\n\ndef train(p):\n    return LOSS\n")
    (tmp_path / "home" / "model.py").write_text("LOSS = 0.25\n")
    code = f"import sys; sys.path.insert(0, {str(model.parent)!r}); import model; model.train()"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=True
    )

    assert json.loads(done.stdout) == {"epoch": 4, "loss": 0.25}


def test_several_metrics_must_all_be_reported(written: Written) -> None:
    """All but the seconds, which RayGen knows."""
    body = "def train(p, report):\n    report({'loss': 1})\n"

    assert run(written(body, metrics=("loss", "seconds"))) == [{"epoch": 1, "loss": 1.0}]
    done = start(written(body, metrics=("loss", "latency")))
    assert "metric 'latency' must be reported; loss was" in done.stderr
