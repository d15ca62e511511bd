from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from raygen import cli
from raygen.errors import RunError
from raygen.report.run_view import advice_lines, read_run
from raygen.runs.paths import RunPaths

CONFIG = "task: {name: ImageClassification, dataset: {name: digits}}\nsearch: {trials: 9}\n"
CONFIG += "model: {space: image/mlp}\n"


def events(count: int) -> list[dict[str, Any]]:
    """A search that is still running; its second trial is the best."""
    found: list[dict[str, Any]] = [{"event": "begin", "time": 0.0, "metric": "accuracy"}]
    found.append({"event": "search", "time": 10.0})
    for number in range(count):
        trial = {"time": 10.0 + number, "trial_id": f"{number:05d}"}
        shown = {"values": {"learning_rate": 0.01}, "candidate": "", "source_sha": ""}
        found.append({"event": "trial", **trial, **shown, "num_parameters": 9})
        told = {"epoch": 1, "metrics": {"accuracy": 0.5 + 0.1 * (number == 1)}, "seconds": 1.0}
        found.append({"event": "report", **trial, **told})
        if number < count - 1:
            found.append({"event": "end", **trial, "state": "finished"})
    return found


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    """A run that was never ranked."""
    found = RunPaths(tmp_path / "run")
    found.folder.mkdir()
    found.config.write_text(CONFIG)
    found.journal.write_text("".join(json.dumps(event) + "\n" for event in events(4)))
    return found


def typed(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> object:
    """Type ``raygen``; gives the exit code."""
    monkeypatch.setattr(sys, "argv", ["raygen", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code or 0


def test_a_running_search_can_be_shown(paths: RunPaths) -> None:
    """The table has the best trial, the running one, and how far the search is."""
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(read_run(paths).table())
    text = console.export_text()

    assert "3/9 trials, 3 s" in text
    assert "best accuracy 0.6000 (trial 00001)" in text
    assert "00003  running" in text


def test_show_of_what_is_not_ranked_shows_the_search(
    paths: RunPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command succeeds, and says how to rank; machines get a board without entries."""
    assert typed(monkeypatch, "show", paths.folder) == 0
    said = capsys.readouterr()
    assert "best accuracy 0.6000" in said.out
    assert said.err == f"not ranked yet; type raygen rank {paths.folder}\n"

    assert typed(monkeypatch, "show", paths.folder, "--json") == 0
    board = json.loads(capsys.readouterr().out)
    assert (board["name"], board["mode"], board["entries"]) == ("digits", "max", [])
    assert board["search"]["best"][0]["trial_id"] == "00001"
    assert (board["search"]["trials"], board["search"]["ended"]) == (4, 3)


PRETRAINED = """task: {name: TextClassification, dataset: {path: texts.csv}}
model: {pretrained: owner/name}
search: {max_epochs: 3}
"""


@pytest.mark.parametrize("config", [CONFIG, PRETRAINED], ids=["network", "pretrained"])
@pytest.mark.parametrize("ended", [False, True])
def test_show_of_one_training_tells_its_scores(
    paths: RunPaths,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    config: str,
    ended: bool,
) -> None:
    """What raygen finetune leaves is no search that waits for its ranking."""
    paths.config.write_text(config + "name: letters\n")
    trial = {"trial_id": "00000", "time": 1.0}
    fit = {"event": "fit", **trial, "metrics": {"train_loss": 0.3}}
    begun: list[dict[str, Any]] = [events(1)[0], {**events(1)[2], "values": {}}]
    begun += [{**fit, "epoch": 0, "seconds": 0.0}, {**fit, "epoch": 2, "seconds": 3.4}]
    scored = {"event": "test", **trial, "metrics": {"accuracy": 0.75}, "seconds": 4.0}
    lines = [*begun, scored] if ended else begun
    paths.journal.write_text("".join(json.dumps(event) + "\n" for event in lines))

    assert typed(monkeypatch, "show", paths.folder) == 0
    said = capsys.readouterr()
    assert typed(monkeypatch, "show", paths.folder, "--json") == 0
    board = json.loads(capsys.readouterr().out)

    assert said.out.startswith("letters: one training without a search, epoch 2 of ")
    assert "not ranked yet" not in said.err
    assert ("test accuracy 0.75\n" in said.out) == ended
    assert board["test"] == ({"accuracy": 0.75} if ended else {})


def test_show_draws_what_is_asked_for(
    paths: RunPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files are listed; the numbers behind a picture come with --json instead of files."""
    assert typed(monkeypatch, "show", paths.folder, "--plot", "rungs") == 0
    assert capsys.readouterr().out == f"{paths.plots / 'rungs.png'}\n"
    assert (paths.plots / "rungs.png").exists()

    assert typed(monkeypatch, "show", paths.folder, "--plot", "rungs", "--json") == 0
    assert json.loads(capsys.readouterr().out)["rungs"]["reached"] == [4, 4]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--plot", "rugns"], "--plot: no picture 'rugns'; did you mean rungs?"),
        (["rungs"], "raygen show: 'rungs' given; only --plot takes names of pictures; type"),
        (["--plot", "pareto"], "pareto: the run has one metric, accuracy; a front needs two"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    paths: RunPaths,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    """A slip is told with what to type, and nothing is written."""
    assert typed(monkeypatch, "show", paths.folder, *arguments) == 2

    told = capsys.readouterr().err
    assert told.startswith(f"Error: {said}")
    assert told.count("\n") == 1
    assert not paths.plots.exists()


def test_what_cannot_be_read_is_told_or_gives_no_advice(paths: RunPaths) -> None:
    """A run without a journal or trials is an error; the advice on it is none."""
    paths.journal.write_text("")
    with pytest.raises(RunError, match="no trial has begun yet"):
        read_run(paths)
    paths.journal.unlink()
    with pytest.raises(RunError, match="there is no run"):
        read_run(paths)

    assert advice_lines(paths) == []
