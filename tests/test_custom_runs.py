from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from raygen import pipeline
from raygen.errors import TrialError
from raygen.plan import plan_run
from raygen.rank.repeats import cells_of
from raygen.runs.journal import read_events
from raygen.runs.records import History, State

pytestmark = pytest.mark.ray

EXAMPLES = Path(__file__).parents[1] / "examples"
CONFIG = """task:
  name: Custom
  objective: walk.py:train
  metric: loss
model:
  parameters: {lr: {float: [0.1, 1.0], changes: training}, width: {choice: [1, 2]}}
search: {algorithm: random, scheduler: fifo, trials: 4, max_epochs: 4}
resources: {concurrent: 2}
"""
WALK = """
import json
import time
from pathlib import Path

def train(parameters, report, resume=None):
    path = json.loads((Path(resume) / "path.json").read_text()) if resume else []
    print("begun after epoch", len(path), flush=True)
    for epoch in range(len(path) + 1, parameters["epochs"] + 1):
        BODY
        path.append(parameters["lr"] * epoch)

        def save(folder):
            (Path(folder) / "path.json").write_text(json.dumps(path))

        report({"loss": sum(path), "seed": parameters["seed"]}, save)
"""
Generate = Callable[..., pipeline.Result]


@pytest.fixture
def generate(on_one_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generate:
    """``raygen.generate`` in a folder with walk.py, whose epochs do what is asked for."""
    monkeypatch.chdir(tmp_path)

    def run(*overrides: str, config: str | Path = CONFIG, body: str = "pass") -> pipeline.Result:
        if isinstance(config, Path):
            return pipeline.generate(config, overrides)
        Path("walk.py").write_text(WALK.replace("BODY", body), encoding="utf-8")
        Path("config.yaml").write_text(config, encoding="utf-8")
        return pipeline.run_steps(plan_run("config.yaml", overrides), upto="emit")

    return run


def replay(model: Path) -> list[dict[str, float]]:
    """Run an emitted model.py where RayGen cannot be imported."""
    block = model.resolve().parent / "block"
    (block / "raygen").mkdir(parents=True, exist_ok=True)
    (block / "raygen" / "__init__.py").write_text("raise ImportError('blocked')")
    done = subprocess.run(
        [sys.executable, str(model)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(block)},
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line[:1] == "{"]


def test_the_best_of_a_search_is_replayed_by_its_file(generate: Generate, tmp_path: Path) -> None:
    """The winner's score is that of the search, and its file gives it again without RayGen."""
    result = generate()

    best = result.leaderboard["entries"][0]
    history = History.read(result.run_dir / "journal.jsonl")
    assert {trial.state for trial in history.trials.values()} == {State.FINISHED}
    assert best["folds"] == [min(trial.curve[-1] for trial in history.trials.values())]
    assert (best["std"], "interval" in best, result.leaderboard["test"]) == (None, False, {})
    assert result.output is not None
    assert [line["loss"] for line in replay(result.output)] == list(
        history.trials[best["trial_id"]].curve
    )
    assert (result.run_dir / "report.png").exists()
    assert not list(result.run_dir.glob("trials/*/checkpoint*"))


def test_repeats_have_a_mean_and_an_interval(generate: Generate) -> None:
    """Each candidate of a grid is trained with seeds of its own; the board has the statistics."""
    result = generate(
        "search.algorithm=grid", "search.repeats=3", "search.trials=6",
        "model.parameters.lr=0.5", "rank.top=9",
    )  # fmt: skip

    history = History.read(result.run_dir / "journal.jsonl")
    assert [trial.metrics["seed"] for trial in history.trials.values()] == [0, 1, 2] * 2
    assert len(cells_of(history)) == len(result.leaderboard["entries"]) == 2
    assert [len(entry["folds"]) for entry in result.leaderboard["entries"]] == [3, 3]
    assert result.leaderboard["entries"][0]["interval"] == [5.0, 5.0]


def test_asha_ends_the_weak_ones_of_a_users_function(generate: Generate) -> None:
    """Reports are what a scheduler decides by, as for any other task."""
    result = generate(
        "search.scheduler=asha", "search.trials=12", "search.max_epochs=9",
        "resources.concurrent=1", body="time.sleep(0.02)",
    )  # fmt: skip

    states = [t.state for t in History.read(result.run_dir / "journal.jsonl").trials.values()]
    assert set(states) == {State.FINISHED, State.STOPPED}
    assert states.count(State.STOPPED) >= 4


@pytest.mark.parametrize(
    ("body", "state", "told"),
    [
        ("x = 1 / 0", State.ERROR, "walk.py:10 `x = 1 / 0`: ZeroDivisionError: division by zero"),
        ("report({'los': 1})", State.ERROR, "walk.py:10 `report({'los': 1})`: ValueError: metric"),
        ("report({'loss': float('nan')})", State.NAN, "loss not finite in epoch 1"),
        ("raise SystemExit('enough of it')", State.ERROR, "enough of it"),
    ],
)
def test_a_function_that_fails_is_a_record(
    generate: Generate, body: str, state: State, told: str
) -> None:
    """The trial ends with one line that says where, and if all do, the search says so."""
    with pytest.raises(TrialError, match="none of 2 trials ended with a score") as failed:
        generate("search.trials=2", body=body)

    trials = History.read(Path("runs/walk/journal.jsonl")).trials.values()
    assert [trial.state for trial in trials] == [state, state]
    assert all(trial.error.startswith(told) for trial in trials), [t.error for t in trials]
    assert failed.value.exit_code == 3


def test_a_function_may_end_before_its_last_epoch(generate: Generate) -> None:
    """Its last report is its score, and the trial is finished."""
    result = generate("search.trials=2", body="if epoch == 3: return")

    trials = History.read(result.run_dir / "journal.jsonl").trials.values()
    assert [(trial.state, trial.epoch) for trial in trials] == [(State.FINISHED, 2)] * 2


def test_the_example_of_a_command_runs(generate: Generate, tmp_path: Path) -> None:
    """A grid with three seeds in each cell; its table is exported; the best file runs alone."""
    config = EXAMPLES / "custom_command" / "config.yaml"

    result = generate("search.max_epochs=3", config=config)

    assert len(result.leaderboard["entries"]) == 6
    assert all(len(entry["folds"]) == 3 for entry in result.leaderboard["entries"])
    assert result.output is not None
    assert replay(result.output)[-1]["loss"] == result.leaderboard["entries"][0]["folds"][0]
    told = subprocess.run(
        [sys.executable, "-m", "raygen", "export", str(result.run_dir)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(told.stdout)))
    assert [(row["n"], row["lr"]) for row in rows][:2] == [("3", "0.01"), ("3", "0.01")]


def test_the_example_of_a_function_runs(generate: Generate, tmp_path: Path) -> None:
    """Spirals are learnt, under ASHA."""
    config = EXAMPLES / "custom_objective" / "config.yaml"

    result = generate("search.trials=4", "search.max_epochs=9", config=config)

    assert result.output is not None
    assert replay(result.output)[-1]["loss"] == result.leaderboard["entries"][0]["mean"]


COMMAND = [sys.executable, "-m", "raygen", "generate", "--config", "config.yaml"]


@pytest.mark.slow
def test_a_killed_run_goes_on_from_its_checkpoints(tmp_path: Path) -> None:
    """After kill -9 the same command ends every trial once, and none begins from nothing again."""
    walk = WALK.replace("BODY", "time.sleep(1)")
    (tmp_path / "walk.py").write_text(walk, encoding="utf-8")
    config = CONFIG.replace("trials: 4, max_epochs: 4", "trials: 2, max_epochs: 9")
    (tmp_path / "config.yaml").write_text(config, encoding="utf-8")
    journal = tmp_path / "runs/walk/journal.jsonl"
    first = subprocess.Popen(COMMAND, cwd=tmp_path, start_new_session=True)
    deadline = time.monotonic() + 120
    while [e["event"] for e in events(journal)].count("report") < 2:
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(first.pid, signal.SIGKILL)
    assert sum(event["event"] == "end" for event in events(journal)) < 2, "killed too late"

    subprocess.run(COMMAND, cwd=tmp_path, check=True)

    trials = History.read(journal).trials.values()
    assert [trial.state for trial in trials] == [State.FINISHED] * 2
    assert all(len(trial.curve) == 9 for trial in trials)
    logs = [path.read_text() for path in tmp_path.glob("runs/walk/trials/*/log.txt")]
    again = [line for log in logs for line in log.splitlines() if line.startswith("begun after")]
    assert len(again) > 2, "at least one of the two was begun twice"
    assert any(not line.endswith(" 0") for line in again), "and went on from a checkpoint"


def events(journal: Path) -> list[dict[str, object]]:
    """What is in the journal by now."""
    return list(read_events(journal)) if journal.exists() else []
