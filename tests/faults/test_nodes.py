"""What becomes of a sweep when a node of the cluster is switched off under it?"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from climbing_program import EPOCHS, check_sweep
from damage import ENVIRONMENT, SmallCluster

from raygen.runs.journal import read_events
from raygen.runs.records import State

pytestmark = [pytest.mark.slow, pytest.mark.ray]

TRIALS = 8
MANY = 40
"""Trials enough that a search by asha lasts longer than its driver takes to notice a death."""
CONFIG = f"""task:
  name: ImageClassification
  dataset: {{name: digits}}
model:
  layers: [flatten, {{dense: {{units: $width}}}}]
  parameters:
    width: {{int: [1, 1000]}}
    learning_rate: {{float: [0.01, 0.5], log: true}}
search: {{algorithm: random, trials: {TRIALS}, max_epochs: {EPOCHS}, retries: 3}}
"""
DRIVER = '''
from climbing_program import climbing
from raygen import cli
from raygen.source.render import Blueprint

BODY = """
if os.environ.get("RANK", "0") != "0":
    save = lambda folder: None  # one process of a group saves
time.sleep(2.0 if "RANK" in os.environ else 0.5)  # groups take long to start
"""
Blueprint.render = climbing(BODY)
Blueprint.preload = lambda _: ("numpy",)
cli.main()
'''
TESTS = Path(__file__).parents[1]


@pytest.fixture
def cluster() -> Iterator[SmallCluster]:
    """A head and two further nodes of one CPU each."""
    made = SmallCluster(cpus=1)
    made.do("add")
    made.do("add")
    yield made
    made.quit()


def start(
    place: Path,
    scheduler: str,
    address: str | None,
    trials: int = TRIALS,
    more: Sequence[str] = (),
) -> subprocess.Popen[bytes]:
    """Begin a search, or go on with it."""
    (place / "config.yaml").write_text(CONFIG, encoding="utf-8")
    command = [sys.executable, "-c", DRIVER, "search", "--config", "config.yaml"]
    told = (f"search.scheduler={scheduler}", f"search.trials={trials}", *more)
    environment = os.environ | ENVIRONMENT
    environment["PYTHONPATH"] = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    if address is not None:
        environment["RAY_ADDRESS"] = address
    with (place / "said.txt").open("ab") as said:
        return subprocess.Popen(
            [*command, *(word for each in told for word in ("--set", each))],
            cwd=place,
            env=environment,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def wait_for_reports(place: Path, driver: subprocess.Popen[bytes], number: int) -> None:
    """Wait until so many epochs are journalled."""
    journal = place / "runs/digits/journal.jsonl"
    deadline = time.monotonic() + 240
    while sum(event["event"] == "report" for event in read_events(journal)) < number:
        assert driver.poll() is None, (place / "said.txt").read_text()
        assert time.monotonic() < deadline, (place / "said.txt").read_text()
        time.sleep(0.1)


@pytest.mark.parametrize("scheduler", ["asha", "asha-promote", "pbt"])
def test_a_lost_node_loses_no_trial(scheduler: str, cluster: SmallCluster, tmp_path: Path) -> None:
    """Its trials go on elsewhere from their checkpoints; a new node is given the data, too."""
    driver = start(tmp_path, scheduler, cluster.address)
    try:
        wait_for_reports(tmp_path, driver, 4)
        cluster.do("kill 1")
        wait_for_reports(tmp_path, driver, 8)
        cluster.do("add")
        cluster.do("kill 2")
        assert driver.wait(timeout=400) == 0, (tmp_path / "said.txt").read_text()
    finally:
        driver.kill()

    history = check_sweep(tmp_path / "runs/digits", trials=TRIALS)
    states = {trial.state for trial in history.trials.values()}
    assert states <= {State.FINISHED, State.STOPPED}
    assert max(trial.epoch for trial in history.trials.values()) == EPOCHS


@pytest.mark.parametrize(("scheduler", "trials"), [("asha", MANY), ("pbt", TRIALS)])
def test_the_node_that_holds_the_data_takes_the_driver_along(
    scheduler: str, trials: int, cluster: SmallCluster, tmp_path: Path
) -> None:
    """The command ends, and the same one goes on elsewhere: the data is put there anew."""
    driver = start(tmp_path, scheduler, cluster.address, trials)
    try:
        wait_for_reports(tmp_path, driver, 5)
        cluster.do("kill 0")
        assert driver.wait(timeout=200) != 0
        cluster.quit()
    finally:
        driver.kill()

    again = start(tmp_path, scheduler, None, trials)
    try:
        assert again.wait(timeout=400) == 0, (tmp_path / "said.txt").read_text()
    finally:
        again.kill()

    history = check_sweep(tmp_path / "runs/digits", trials=trials)
    assert len(history.sessions) == 2
    assert max(trial.epoch for trial in history.trials.values()) == EPOCHS
