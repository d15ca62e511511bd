"""Programs that no search has found, compared on real workers from the command line's plan on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from raygen import cli, pipeline
from raygen.errors import RaygenError
from raygen.plan import plan_files, plan_run
from raygen.source.candidate import Candidate

CONFIG = """task: {name: TabularClassification, dataset: {name: iris}}
model:
  layers: [{dense: {units: $width}}, {activation: {name: relu}}]
  training: {batch_size: 16, learning_rate: 0.05}
  parameters: {width: {choice: [8, 32]}}
search: {max_epochs: 3}
rank: {folds: 3}
"""
OTHER_ROWS = """_load = load_data


def load_data(path=DATA):
    x, *others = _load(path)
    return (2 * x, *others)


def read_inputs"""
WIDTHS = {"a.py": 8, "b.py": 32}

pytestmark = pytest.mark.slow


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two programs in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG, encoding="utf-8")
    blueprint = plan_run("config.yaml").blueprint
    for name, width in WIDTHS.items():
        Path(name).write_text(blueprint.render(Candidate({"width": width})).text, encoding="utf-8")
    return list(WIDTHS)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("SEED = 0", "SEED = 1", r"^b\.py: split: other rows .*SEED is 1, there 0"),
        ("def read_inputs", OTHER_ROWS, r"^b\.py: load_data: other values in x than a\.py"),
        ("def build_model()", "import nothing_such\n\n\ndef build_model()", r"^b\.py: line \d+"),
    ],
)
def test_programs_of_other_rows_are_refused(
    programs: list[str], old: str, new: str, told: str
) -> None:
    """What a process finds that imports them is told before anything is written."""
    text = Path("b.py").read_text(encoding="utf-8")
    assert old in text
    Path("b.py").write_text(text.replace(old, new, 1), encoding="utf-8")

    with pytest.raises(RaygenError, match=told):
        plan_files(programs)
    assert not Path("runs").exists()


def test_more_folds_than_rows_are_refused(programs: list[str]) -> None:
    """Rather than begun: a fold would hold out nothing."""
    with pytest.raises(RaygenError, match=r"^a\.py: split: fold 1\d\d of 5000 holds out none"):
        plan_files(programs, ["rank.folds=5000"])
    assert not Path("runs").exists()


def test_a_program_that_never_ends_to_load_is_told(
    programs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for one that trains when it is imported, or asks for something."""
    text = Path("b.py").read_text(encoding="utf-8")
    Path("b.py").write_text(f"{text}\n\nwhile True:\n    pass\n", encoding="utf-8")
    monkeypatch.setattr("raygen.source.files._PATIENCE_S", 30.0)

    with pytest.raises(RaygenError, match=r"^b\.py: its data is not loaded .* after 0.5 min; imp"):
        plan_files(programs)


def test_a_run_among_programs_is_told(
    programs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the program that stands for it."""
    Path("runs/iris").mkdir(parents=True)
    Path("runs/iris/config.yaml").touch()
    monkeypatch.setattr(sys, "argv", ["raygen", "rank", "a.py", "runs/iris"])

    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert "runs/iris/best/model.py for its winner" in capsys.readouterr().err


@pytest.mark.ray
def test_files_are_ranked_by_their_folds_and_a_second_time_nothing_is_trained(
    programs: list[str],
) -> None:
    """The copy on the leaderboard repeats its scores; a file that changed is another run's."""
    plan = plan_files(programs, ["rank.folds=4"])
    board = pipeline.run_steps(plan, upto="rank").leaderboard

    first = board["entries"][0]
    assert {entry["candidate"]["file"] for entry in board["entries"]} == set(programs)
    assert [entry["folds_run"] for entry in board["entries"]] == [4, 4]
    assert board["optimism"] is None
    copy = Path("runs/ranked/trials", first["trial_id"], "model.py")
    command = [sys.executable, str(copy), "--cv"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1])["folds"] == first["folds"]

    before = Path("runs/ranked/journal.jsonl").read_bytes()
    again = pipeline.run_steps(plan_files(programs, ["rank.folds=4"]), upto="rank")
    assert again.leaderboard == board
    assert Path("runs/ranked/journal.jsonl").read_bytes() == before

    with Path("a.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    with pytest.raises(RaygenError, match="the content of its files has changed"):
        pipeline.run_steps(plan_files(programs, ["rank.folds=4"]), upto="rank")
