from __future__ import annotations

import collections
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from climbing_program import EPOCHS as CLIMBED
from climbing_program import check_sweep

from raygen.runs.journal import read_events
from raygen.runs.records import History, State

pytestmark = [pytest.mark.slow, pytest.mark.ray]

KILLS = 20
TRIALS, EPOCHS, TOP, FOLDS = 9, 3, 5, 5
CONFIG = f"""task:
  name: ImageClassification
  dataset: {{name: digits}}
model:
  layers: [flatten, {{dense: {{units: $width}}}}]
  parameters: {{width: {{int: [1, 1000]}}}}
search: {{algorithm: random, scheduler: fifo, trials: {TRIALS}, max_epochs: {EPOCHS}}}
rank: {{top: {TOP}, folds: {FOLDS}}}
"""

# the command line, with programs that take 0.4 s an epoch in place of networks
DRIVER = """
from raygen import cli
from raygen.source.candidate import Source
from raygen.source.render import Blueprint
from stub_program import stub

Blueprint.render = lambda _, candidate: Source(
    stub(f"time.sleep(0.4); metrics['accuracy'] = {candidate.values['width']} / 1000")
)
Blueprint.preload = lambda _: ("numpy",)
cli.main()
"""
COMMAND = [sys.executable, "-c", DRIVER, "generate", "--config", "config.yaml"]

# trials that pause, and that go on from each other's checkpoints
SLEEPERS = 8
CLIMB = f"""task:
  name: ImageClassification
  dataset: {{name: digits}}
model:
  layers: [flatten, {{dense: {{units: $width}}}}]
  parameters:
    width: {{int: [1, 1000]}}
    learning_rate: {{float: [0.01, 0.5], log: true}}
search: {{algorithm: random, trials: {SLEEPERS}, max_epochs: {CLIMBED}}}
"""
CLIMBER = """
from climbing_program import climbing
from raygen import cli
from raygen.source.render import Blueprint

Blueprint.render = climbing("time.sleep(0.4)")
Blueprint.preload = lambda _: ("numpy",)
cli.main()
"""


STEPS = ("report", "end", "fold", "exploit")
LEFT: list[int] = []
"""Process groups of drivers that were killed."""


@pytest.fixture(autouse=True)
def _clean_up() -> Iterator[None]:
    yield
    for group in LEFT:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def start(place: Path, command: Sequence[str] = COMMAND) -> subprocess.Popen[bytes]:
    """Type the command."""
    own = str(Path(__file__).parent)
    path = os.pathsep.join([own, os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path}
    with (place / "said.txt").open("ab") as said:
        return subprocess.Popen(
            command, cwd=place, env=environment, stdout=said, stderr=said, start_new_session=True
        )


def progress(journal: Path) -> int:
    """How many epochs, ends, folds and moves are journalled."""
    events = read_events(journal) if journal.exists() else []
    return sum(event["event"] in STEPS for event in events)


def kill_some_time(place: Path, moment: float, command: Sequence[str] = COMMAND) -> bool:
    """Kill the command so many seconds after it got on by a step; false if it ended before."""
    journal = place / "runs/digits/journal.jsonl"
    before, driver = progress(journal), start(place, command)
    deadline = time.monotonic() + 120
    while driver.poll() is None and progress(journal) == before:
        assert time.monotonic() < deadline, (place / "said.txt").read_text()
        time.sleep(0.05)
    time.sleep(moment)
    over = driver.poll()
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    LEFT.append(driver.pid)
    assert over in (None, 0), (place / "said.txt").read_text()
    return over is None


def test_a_run_that_is_killed_again_and_again_is_finished_once(tmp_path: Path) -> None:
    """Every trial and every fold is counted once, none is lost, none that ended is done again."""
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    journal = tmp_path / "runs/digits/journal.jsonl"
    dice = random.Random(2)
    killed_in: collections.Counter[str] = collections.Counter()
    while killed_in.total() < KILLS and kill_some_time(tmp_path, dice.uniform(0, 0.8)):
        killed_in["rank" if History.read(journal).folds else "search"] += 1

    last = start(tmp_path)
    assert last.wait(timeout=300) == 0, (tmp_path / "said.txt").read_text()

    assert killed_in["search"] >= 5, "the moments must cover both steps"
    assert killed_in["rank"] >= 3, "the moments must cover both steps"
    check_journal(journal)
    check_starts(journal)


@pytest.mark.parametrize("scheduler", ["asha-promote", "pbt"])
def test_sleepers_and_movers_survive_every_kill(scheduler: str, tmp_path: Path) -> None:
    """Who slept sleeps on, a move is made once or never, and each program has its own scores."""
    (tmp_path / "config.yaml").write_text(CLIMB, encoding="utf-8")
    words = ["search", "--config", "config.yaml", "--set", f"search.scheduler={scheduler}"]
    command = [sys.executable, "-c", CLIMBER, *words]
    dice, kills = random.Random(scheduler), 0
    while kills < 8 and kill_some_time(tmp_path, dice.uniform(0, 0.6), command):
        kills += 1

    last = start(tmp_path, command)
    assert last.wait(timeout=300) == 0, (tmp_path / "said.txt").read_text()

    history = check_sweep(tmp_path / "runs/digits", trials=SLEEPERS)
    ended_at = [trial.epoch for trial in history.trials.values()]
    if scheduler == "pbt":
        assert kills >= 5
        assert history.exploits
        assert set(ended_at) == {CLIMBED}
    else:
        assert kills >= 3
        assert set(ended_at) == {1, 3, CLIMBED}


def check_journal(journal: Path) -> None:
    """One line for each trial, for each end and for each fold; each curve whole."""
    events = read_events(journal)
    history = History.read(journal)

    begun = [event["trial_id"] for event in events if event["event"] == "trial"]
    ended = [event["trial_id"] for event in events if event["event"] == "end"]
    folds = [(event["trial_id"], event["fold"]) for event in events if event["event"] == "fold"]
    assert begun == [f"{number:05d}" for number in range(TRIALS)]
    assert sorted(ended) == begun
    assert len(folds) == len(set(folds)) == TOP * FOLDS
    assert [event["event"] for event in events].count("test") == 1
    for trial in history.trials.values():
        assert trial.state is State.FINISHED
        assert trial.curve == (trial.values["width"] / 1000,) * EPOCHS


def check_starts(journal: Path) -> None:
    """What had ended, and was journalled, was never begun anew."""
    ended: dict[tuple[str, str], float] = {}
    for event in read_events(journal):
        match event["event"]:
            case "end":
                ended[event["trial_id"], "0"] = event["time"]
            case "fold" if event["fold"]:
                ended[event["trial_id"], str(event["fold"])] = event["time"]
            case "test":
                ended[event["trial_id"], "None"] = event["time"]
    begun = set()
    for log in journal.parent.glob("trials/*/log.txt"):
        for line in log.read_text().splitlines():
            found = re.fullmatch(r"fold (\w+): training from epoch (\d) at ([\d.]+)", line)
            assert found is not None, line
            fold, epoch, moment = found.groups()
            begun.add((log.parent.name, fold))
            assert int(epoch) < EPOCHS or fold == "None", "the winner may still want its test score"
            assert float(moment) < ended[log.parent.name, fold]
    assert begun == ended.keys()
