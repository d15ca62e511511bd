"""Does training that resumes from a saved folder go on as if it had never stopped?"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blueprints import SPECS, blueprint, draw_rows, load_program

from raygen.config.space import Space
from raygen.source.candidate import Candidate
from raygen.source.render import render

FRAMEWORKS = ("torch", "tensorflow")
_SGD = {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.02, "warmup_epochs": 1.5}
_ADAM = {"optimizer": "adam", "schedule": "step", "warmup_epochs": 0.5}
SPACES: dict[str, Space] = {
    "digits": Space(
        "image",
        ({"conv": 8}, "norm", "activation", {"dropout": 0.2}, "global_pool", {"dropout": 0.1}),
        _SGD | {"augmentation": "shift_flip", "label_smoothing": 0.1, "batch_size": 16},
    ),
    "people": Space(
        "classes",
        ({"dense": 16}, "norm", "activation", {"dropout": 0.3}, {"dense": 8}, {"dropout": 0.1}),
        {"schedule": "constant", "batch_size": 32},
    ),
    "wages": Space(
        "values",
        ({"dense": 16}, {"residual": [{"dense": 16}, {"dropout": 0.2}]}, {"activation": "tanh"}),
        _SGD | {"batch_size": 32},
    ),
    "news": Space(
        "text",
        (
            {"embedding": {"width": 8, "positions": True}},
            {"dropout": 0.1},
            {"residual": ["norm", {"attention": 2}, {"dropout": 0.2}]},
            {"global_pool": "max"},
        ),
        _ADAM | {"batch_size": 32},
    ),
}
CHANGED = {"learning_rate": 0.004, "weight_decay": 0.3, "batch_size": 20}


ALSO_SLOW = pytest.mark.parametrize(
    "framework", ["torch", pytest.param("tensorflow", marks=pytest.mark.slow)], indirect=True
)
"""Both frameworks, Keras only when asked for: it compiles a graph for each setting."""


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    """Each framework that is installed."""
    pytest.importorskip(request.param)
    return str(request.param)


class Recorder:
    """Keeps what training reports, and saves after some of the epochs."""

    def __init__(self, folder: Path, *, after: int) -> None:
        self.folder, self.after = folder, after
        self.metrics: list[dict[str, Any]] = []

    def __call__(self, metrics: dict[str, Any], save: Any) -> None:
        """Take the place of ``print_report``."""
        self.metrics.append(metrics)
        if metrics["epoch"] == self.after:
            save(str(self.folder))


@pytest.mark.parametrize("name", SPACES)
def test_resume_equals_replay(framework: str, name: str, tmp_path: Path) -> None:
    """Two epochs, save, load and two more give bit for bit what four epochs give."""
    path = _write(framework, name, tmp_path)
    x, y = draw_rows(SPECS[name], 90)
    whole, first, second = (Recorder(tmp_path / each, after=2) for each in ("a", "b", "c"))

    straight, _, _ = load_program(path).train(x, y, fold=1, report=whole)
    load_program(path).train(x, y, fold=1, report=first, epochs=2)
    resumed, statistics, last = load_program(path).train(
        x, y, fold=1, report=second, resume=str(first.folder)
    )

    assert [each["epoch"] for each in second.metrics] == [3, 4]
    assert first.metrics + second.metrics == whole.metrics
    assert last == whole.metrics[-1]
    for one, other in zip(_weights(straight), _weights(resumed), strict=True):
        assert np.array_equal(one, other)
    assert statistics


@ALSO_SLOW
def test_a_setting_that_changes_on_the_way_is_replayed(framework: str, tmp_path: Path) -> None:
    """An entry of SCHEDULE holds from its epoch on, before and after a resume."""
    path, (x, y) = _write(framework, "people", tmp_path), draw_rows(SPECS["people"], 90)

    def run(change_at: int, **arguments: Any) -> tuple[Recorder, list[np.ndarray]]:
        program = load_program(path)
        program.SCHEDULE.append((change_at, CHANGED))
        recorder = Recorder(tmp_path / f"from_{change_at}", after=3)
        model, _, _ = program.train(x, y, fold=0, report=recorder, **arguments)
        return recorder, _weights(model)

    straight, weights = run(2)
    resumed, same_weights = run(2, resume=str(straight.folder))
    later, _ = run(3)
    never, _ = run(4)

    assert resumed.metrics == straight.metrics[3:]
    assert all(map(np.array_equal, weights, same_weights))
    changed_from = [
        [one != other for one, other in zip(each.metrics, never.metrics, strict=True)].index(True)
        for each in (straight, later)
    ]
    assert changed_from == [2, 3]


@ALSO_SLOW
def test_a_program_with_later_changes_goes_on_from_the_one_without(
    framework: str, tmp_path: Path
) -> None:
    """Its text begins like the other's training, even where only it can augment."""
    space = Space("image", ({"conv": 8}, "norm", "activation", "global_pool", {"dropout": 0.1}))
    plan, x_y = blueprint("digits", space, framework), draw_rows(SPECS["digits"], 90)
    later = (2, {"augmentation": "shift", "learning_rate": 0.004, "batch_size": 20})
    parent, child = (tmp_path / f"{name}.py" for name in ("parent", "child"))
    parent.write_text(render(plan, Candidate({})).text, encoding="utf-8")
    child.write_text(render(plan, Candidate({}), changes=[later]).text, encoding="utf-8")
    whole, first, second = (Recorder(tmp_path / each, after=2) for each in ("a", "b", "c"))

    load_program(child).train(*x_y, fold=1, report=whole)
    load_program(parent).train(*x_y, fold=1, report=first)
    load_program(child).train(*x_y, fold=1, report=second, resume=str(first.folder))

    assert "def augment" not in parent.read_text(encoding="utf-8")
    assert first.metrics[:2] + second.metrics == whole.metrics
    assert first.metrics[2] != whole.metrics[2]


@ALSO_SLOW
def test_every_setting_of_the_schedule_matters(framework: str, tmp_path: Path) -> None:
    """Each setting that an entry of SCHEDULE changes is felt from that epoch on."""
    path, (x, y) = _write(framework, "people", tmp_path), draw_rows(SPECS["people"], 90)

    def losses(**change: Any) -> list[float]:
        program = load_program(path)
        program.SCHEDULE.append((1, change))
        recorder = Recorder(tmp_path, after=9)
        program.train(x, y, report=recorder, epochs=2)
        return [each["train_loss"] for each in recorder.metrics]

    first, second = losses()

    for name, value in {**CHANGED, "label_smoothing": 0.2}.items():
        changed = losses(**{name: value})
        assert changed[0] == first
        assert changed[1] != second, name


def test_training_leaves_no_trace_in_the_next(framework: str, tmp_path: Path) -> None:
    """A second training in the same process gives what the first one gave."""
    program = load_program(_write(framework, "digits", tmp_path))
    x, y = draw_rows(SPECS["digits"], 60)

    runs = [program.train(x, y, 0, lambda *_: None, epochs=2) for _ in range(2)]

    assert runs[0][2] == runs[1][2]
    assert all(map(np.array_equal, _weights(runs[0][0]), _weights(runs[1][0])))


@pytest.mark.parametrize("name", SPACES)
def test_saved_weights_predict_the_same(framework: str, name: str, tmp_path: Path) -> None:
    """Weights and statistics that are loaded again give the very predictions of the model."""
    program = load_program(_write(framework, name, tmp_path))
    x, y = draw_rows(SPECS[name], 60)
    recorder = Recorder(tmp_path / "weights", after=1)

    model, statistics, _ = program.train(x, y, report=recorder, epochs=1)
    loaded = program.build_model()
    epoch, same_statistics = program.load(
        loaded, program.build_optimizer(loaded), str(recorder.folder)
    )

    assert epoch == 1
    assert statistics.keys() == same_statistics.keys()
    expected, found = (
        program.predict(each, program.to_inputs(program.preprocess(x, known)), known)
        for each, known in ((model, statistics), (loaded, same_statistics))
    )
    assert np.array_equal(expected, found)
    assert len(found) == len(x)


def test_learning_rate_rises_then_falls(framework: str, tmp_path: Path) -> None:
    """The warm-up starts near 0 and ends at the peak; the cosine ends at 0."""
    program = load_program(_write(framework, "digits", tmp_path))

    rates = [program.learning_rate(epoch) for epoch in np.linspace(0, 4, 41)]

    assert rates[0] == 0
    assert max(rates) == rates[15] == pytest.approx(0.02)
    assert rates[15:] == sorted(rates[15:], reverse=True)
    assert rates[-1] == pytest.approx(0)


@pytest.mark.slow
def test_the_command_line_does_all_it_says(framework: str, tmp_path: Path) -> None:
    """Training, a fold, cross-validation and predictions print JSON lines and nothing else."""
    path = _write(framework, "digits", tmp_path)
    np.save(tmp_path / "rows.npy", np.zeros((3, 8, 8), np.uint8))

    scored = _run(path, "--epochs", "2")
    fold = _run(path, "--fold", "1", "--epochs", "1")
    validated = _run(path, "--cv", "--epochs", "1")
    predicted = _run(path, "--predict", str(tmp_path / "rows.npy"))

    assert [line.get("epoch") for line in scored] == [1, 2, None]
    assert set(scored[-1]["test"]) == {"accuracy", "log_loss"}
    assert fold[0] == fold[1]
    assert [line["epoch"] for line in validated[:-1]] == [1] * 5
    assert validated[-1]["folds"] == [line["accuracy"] for line in validated[:-1]]
    assert validated[-1]["folds"][1] == fold[-1]["accuracy"]
    assert [line["row"] for line in predicted] == [0, 1, 2]


@pytest.mark.slow
def test_two_processes_train_one_network(tmp_path: Path) -> None:
    """Under torchrun the same file shares the work, reports once and scores well."""
    path = _write("torch", "digits", tmp_path, space="image/convnet")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]

    lines = _run(path, "--epochs", "4", launcher=torchrun)

    assert [line.get("epoch") for line in lines] == [1, 2, 3, 4, None]
    assert lines[-1]["test"]["accuracy"] > 0.8
    assert (tmp_path / "weights" / "checkpoint.pt").is_file()


@pytest.mark.slow
def test_a_forked_child_of_a_warm_parent_trains(framework: str, tmp_path: Path) -> None:
    """The file works in a child forked after the framework was imported, before it was used."""
    path = _write(framework, "digits", tmp_path)
    code = (
        f"import multiprocessing as mp, runpy, sys, {framework}\n"
        "sys.argv = ['model.py', '--epochs', '1']\n"
        f"child = mp.get_context('fork').Process(target=runpy.run_path, args=({str(path)!r},), "
        "kwargs={'run_name': '__main__'})\n"
        "child.start(); child.join(); sys.exit(child.exitcode)"
    )

    lines = _run("-c", code)

    assert [line.get("epoch") for line in lines] == [1, None]


def _write(framework: str, name: str, folder: Path, space: str | None = None) -> Path:
    plan = blueprint(name, space or SPACES[name], framework)
    values = plan.space.sample(np.random.default_rng(3))
    path = folder / "model.py"
    path.write_text(render(plan, Candidate(values)).text, encoding="utf-8")
    return path


def _weights(model: Any) -> list[np.ndarray]:
    if hasattr(model, "state_dict"):
        return [tensor.cpu().numpy() for tensor in model.state_dict().values()]
    return [variable.numpy() for variable in model.weights]


def _run(*arguments: Any, launcher: list[str] | None = None) -> list[dict[str, Any]]:
    command = [*(launcher or [sys.executable]), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
