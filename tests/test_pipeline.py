from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raygen import pipeline
from raygen.config.load import load_experiment
from raygen.errors import RunError
from raygen.outcome import read_leaderboard
from raygen.plan import plan_run, same_but_budget
from raygen.runs.journal import read_events
from raygen.runs.records import History, State

pytestmark = pytest.mark.ray

CONFIG = """task:
  name: ImageClassification
  dataset: {name: digits}
model:
  layers: [flatten, {dense: {units: $width}}, {activation: {name: relu}}]
  parameters:
    width: {choice: [16, 32, 64]}
    learning_rate: {float: [1.0e-3, 1.0e-2], log: true}
search: {algorithm: random, trials: 3, max_epochs: 2}
rank: {top: 2, folds: 3}
resources: {concurrent: 1}
"""

Generate = Callable[..., pipeline.Result]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which one run is begun, and gone on with by test after test."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture
def generate(on_one_ray: None, place: Path, monkeypatch: pytest.MonkeyPatch) -> Generate:
    """``raygen.generate`` in the folder of the run, with ``key=value`` pairs."""
    monkeypatch.chdir(place)

    def run(*overrides: str, upto: str = "emit", **arguments: Any) -> pipeline.Result:
        Path("config.yaml").write_text(CONFIG, encoding="utf-8")
        return pipeline.run_steps(plan_run("config.yaml", overrides, **arguments), upto=upto)

    return run


@pytest.fixture
def done(generate: Generate, place: Path) -> pipeline.Result:
    """The run with its first three trials, whichever test asks first."""
    if (place / "runs/digits/leaderboard.json").exists():
        board = json.loads((place / "runs/digits/leaderboard.json").read_text(encoding="utf-8"))
        folder = place / "runs/digits"
        return pipeline.Result(run_dir=folder, output=place / "model.py", leaderboard=board)
    return generate()


def events(place: Path) -> list[dict[str, Any]]:
    """The journal of the run."""
    return read_events(place / "runs/digits/journal.jsonl")


def starts(place: Path) -> int:
    """How many times training was begun, by the first epochs that were told."""
    return sum(event["event"] in ("trial", "fold", "test") for event in events(place))


def test_a_run_leaves_what_was_promised(done: pipeline.Result, place: Path) -> None:
    """Leaderboard, complete config, journal, one program for each trial, the winner."""
    folder, board = place / "runs/digits", done.leaderboard

    assert json.loads((folder / "leaderboard.json").read_text(encoding="utf-8")) == board
    promised = ["name", "metric", "mode", "entries", "test"]
    verdicts = [
        "terms",
        "chosen",
        "tied",
        "fold_fits",
        "optimism",
        "test_looks",
        "ranks",
        "data",
        "ensemble",
        "seeds",
    ]
    assert list(board) == [*promised, *verdicts]
    assert (board["name"], board["metric"], board["mode"]) == ("digits", "accuracy", "max")
    assert [entry["rank"] for entry in board["entries"]] == [1, 2]
    assert all(len(entry["folds"]) == 3 for entry in board["entries"])
    assert board["entries"][0]["mean"] >= board["entries"][1]["mean"] > 0.5
    assert board["test"]["accuracy"] > 0.5
    kept = load_experiment(folder / "config.yaml")
    assert same_but_budget(kept, plan_run(place / "config.yaml").experiment) == ""
    assert {"begin", "trial", "end", "searched", "fold", "test"} <= {
        e["event"] for e in events(place)
    }
    assert len(list(folder.glob("trials/*/model.py"))) >= 3
    assert (folder / "report.png").stat().st_size > 1000
    assert not (folder / ".tune").exists()
    assert not list(folder.glob("trials/*/checkpoint*")), "what is over needs no checkpoint"


def test_the_winner_is_the_file_that_was_trained(done: pipeline.Result, place: Path) -> None:
    """Output and ``best/model.py`` have the sha256 that stands in the journal."""
    winner = done.leaderboard["entries"][0]
    recorded = History.read(place / "runs/digits/journal.jsonl").trials[winner["trial_id"]]

    for file in (place / "model.py", place / "runs/digits/best/model.py"):
        sha = hashlib.sha256(file.read_bytes()).hexdigest()
        assert sha == recorded.source_sha == winner["source_sha"]
    assert (place / "runs/digits/best/weights").is_dir()


def test_the_same_command_again_does_nothing_new(
    done: pipeline.Result, generate: Generate, place: Path
) -> None:
    """Nothing is trained, and the leaderboard is the same; a lost output is written again."""
    before = (place / "runs/digits/journal.jsonl").read_bytes()
    (place / "model.py").unlink()

    again = generate(f"search.trials={len(list(place.glob('runs/digits/trials/*')))}")

    assert (place / "runs/digits/journal.jsonl").read_bytes() == before
    assert again.leaderboard == done.leaderboard
    assert (place / "model.py").exists()


def test_more_trials_go_on_with_the_run(
    done: pipeline.Result, generate: Generate, place: Path
) -> None:
    """The old trials count, the new ones differ from them, and no fold is scored twice."""
    generate("search.trials=5")

    history = History.read(place / "runs/digits/journal.jsonl")
    assert list(history.trials) == [f"{number:05d}" for number in range(5)]
    assert len({trial.candidate for trial in history.trials.values()}) == 5
    assert all(trial.state.is_over() for trial in history.trials.values())
    folds = [(e["trial_id"], e["fold"]) for e in events(place) if e["event"] == "fold"]
    assert len(folds) == len(set(folds))


def test_ranking_again_keeps_the_test_score(
    done: pipeline.Result, generate: Generate, place: Path
) -> None:
    """``raygen rank`` after ``raygen generate`` takes nothing away."""
    trials = len(list(place.glob("runs/digits/trials/*")))

    ranked = generate(f"search.trials={trials}", upto="rank")

    assert ranked.output is None
    assert (
        ranked.leaderboard["test"]
        == read_leaderboard(plan_run(place / "config.yaml").paths)["test"]
    )
    assert "accuracy" in ranked.leaderboard["test"]


@pytest.mark.parametrize("other", ["seed=1", "rank.folds=2", "search.max_epochs=3"])
def test_another_experiment_is_refused(
    done: pipeline.Result, generate: Generate, place: Path, other: str
) -> None:
    """A folder holds one experiment; the line says in what they differ, and nothing changes."""
    before = {file: file.stat().st_mtime_ns for file in (place / "runs").rglob("*")}

    with pytest.raises(RunError) as caught:
        generate(other)

    key = other.partition("=")[0]
    assert f"it holds a run with another {key}; " in str(caught.value)
    assert "--run-dir OTHER" in str(caught.value)
    assert ("raygen rank runs/digits/trials/*/model.py" in str(caught.value)) == ("folds" in other)
    lock = place / "runs/digits/.lock"
    after = {file: file.stat().st_mtime_ns for file in (place / "runs").rglob("*")}
    assert {**before, lock: 0} == {**after, lock: 0}


def test_a_second_process_on_the_same_run_is_refused(
    done: pipeline.Result, generate: Generate, place: Path
) -> None:
    """Two writers would spoil the journal."""
    program = """
import fcntl, sys
lock = open("runs/digits/.lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=place,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(RunError, match="another process works on this run"):
            generate()
        other.kill()


def test_a_program_that_was_changed_is_not_passed_off_as_trained(
    done: pipeline.Result, generate: Generate, place: Path
) -> None:
    """The proof is the sha256: a file edited by hand is refused."""
    winner = place / "runs/digits/trials" / done.leaderboard["entries"][0]["trial_id"] / "model.py"
    text = winner.read_bytes()
    winner.write_bytes(text + b"# mine\n")
    try:
        with pytest.raises(RunError, match="changed after it was trained"):
            generate(f"search.trials={len(list(place.glob('runs/digits/trials/*')))}")
    finally:
        winner.write_bytes(text)


def test_a_run_whose_folder_is_gone_comes_back_from_its_storage(
    generate: Generate, tmp_path: Path
) -> None:
    """What the journal had is not trained again, and the winner is the same."""
    words = (f"storage=file://{tmp_path / 'store'}", "search.trials=2", "name=stored")
    output, folder = str(tmp_path / "model.py"), Path("runs/stored")
    first = generate(*words, output=output)
    before = read_events(folder / "journal.jsonl")
    shutil.rmtree(folder)

    again = generate(*words, output=output)

    after = read_events(folder / "journal.jsonl")
    assert after[: len(before)] == before
    assert not {event["event"] for event in after[len(before) :]} & {"trial", "fold", "test"}
    assert again.leaderboard == first.leaderboard
    assert (folder / "best/model.py").read_bytes() == (tmp_path / "model.py").read_bytes()


def test_a_grid_ends_by_itself(generate: Generate, tmp_path: Path) -> None:
    """When there is nothing left to try the search is over, though trials are left."""
    model = CONFIG.replace("    learning_rate: {float: [1.0e-3, 1.0e-2], log: true}\n", "")
    Path(tmp_path / "grid.yaml").write_text(model, encoding="utf-8")
    overrides = ["search.algorithm=grid", "search.trials=9", "search.max_epochs=1", "name=grid"]
    plan = plan_run(tmp_path / "grid.yaml", overrides, run_dir=str(tmp_path / "run"))

    pipeline.run_steps(plan, upto="search")

    history = History.read(tmp_path / "run/journal.jsonl")
    assert [trial.values["width"] for trial in history.trials.values()] == [16, 32, 64]
    assert history.searched.trials == 9
    assert history.searched.reason == "nothing new to try"


@pytest.mark.slow
def test_tensorflow_from_end_to_end(generate: Generate, tmp_path: Path) -> None:
    """The other framework writes a program too, and its score is the leaderboard's."""
    result = generate(
        "framework=tensorflow",
        "search.trials=2",
        "rank.top=1",
        "rank.folds=2",
        run_dir=str(tmp_path / "run"),
        output=str(tmp_path / "model.py"),
    )

    assert "import keras" in (tmp_path / "model.py").read_text(encoding="utf-8")
    assert result.leaderboard["test"]["accuracy"] > 0.3
    assert (tmp_path / "run/best/weights").is_dir()


def children(pid: int) -> set[int]:
    """All processes below one, however deep."""
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            found |= {int(stat.parent.name)} | children(int(stat.parent.name))
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that run and are no zombies."""
    found = set()
    for pid in pids:
        try:
            if "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
                found.add(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def wait_for(fact: Callable[[], object]) -> None:
    """Wait until something holds; fail when it never does."""
    for _ in range(900):
        if fact():
            return
        time.sleep(0.1)
    raise AssertionError("it never came to hold")


SLOW_DRIVER = """
import sys
from raygen import cli
from raygen.source.candidate import Source
from raygen.source.render import Blueprint
from stub_program import stub

body = "if epoch == 2 and not (HERE.parents[1] / 'fast').exists(): time.sleep(600)"
Blueprint.render = lambda _, candidate: Source(stub(body, epochs=2) + f"# {candidate}")
Blueprint.preload = lambda _: ("numpy",)
cli.main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_cleanly_and_the_same_command_goes_on(
    tmp_path: Path, number: signal.Signals
) -> None:
    """In mid-epoch: exit code 130, all kept, nothing left running; the same command finishes."""
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    command = [sys.executable, "-c", SLOW_DRIVER, "generate", "--config", "config.yaml"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    journal = tmp_path / "runs/digits/journal.jsonl"
    driver = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: journal.exists() and b'"report"' in journal.read_bytes())
        below = children(driver.pid)
        assert len(below) > 3

        driver.send_signal(number)
        _, said = driver.communicate(timeout=60)
    finally:
        driver.kill()

    assert driver.returncode == 130
    assert "stopping; what is done is kept" in said
    assert said.splitlines()[-1].startswith("Error: stopped; all that was done is kept in")
    assert "Traceback" not in said
    wait_for(lambda: not alive(below))
    history = History.read(journal)
    assert {trial.state for trial in history.trials.values()} == {State.RUNNING}
    begun = len(history.trials)

    if number is signal.SIGTERM:
        return  # the rest is the same
    (tmp_path / "runs/digits/fast").touch()
    again = subprocess.run(command, cwd=tmp_path, env=environment, timeout=120, check=False)

    assert again.returncode == 0
    history = History.read(journal)
    assert len(history.trials) == 3 >= begun
    assert {trial.state for trial in history.trials.values()} == {State.FINISHED}
    log = (tmp_path / "runs/digits/trials/00000/log.txt").read_text(encoding="utf-8")
    assert log.count("fold 0: training from epoch 0") == 1
    assert log.count("fold 0: training from epoch 1") == 1
