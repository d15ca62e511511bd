"""What becomes of the trials of a node that is told to go, as Kubernetes, Slurm and clouds do?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from climbing_program import EPOCHS, check_sweep
from damage import ENVIRONMENT, SmallCluster

from raygen.runs.journal import read_events
from raygen.runs.records import State

pytestmark = [pytest.mark.slow, pytest.mark.ray]

TRIALS, TOP, FOLDS = 12, 3, 3
GRACE_S = 30.0
"""After which Ray ends a node, whatever still runs there."""
CONFIG = f"""task:
  name: ImageClassification
  dataset: {{name: digits}}
model:
  layers: [flatten, {{dense: {{units: $width}}}}]
  parameters:
    width: {{int: [1, 1000]}}
    learning_rate: {{float: [0.01, 0.5], log: true}}
search: {{algorithm: random, trials: {TRIALS}, max_epochs: {EPOCHS}, retries: 0}}
rank: {{top: {TOP}, folds: {FOLDS}}}
"""
DRIVER = '''
from climbing_program import climbing
from raygen import cli
from raygen.source.render import Blueprint

BODY = """
def save(folder):  # takes so long that it is not due again for a whole training
    time.sleep(0.5)
    Path(folder, "weights.json").write_text(json.dumps([epoch, height]))
time.sleep(1.5)
"""
Blueprint.render = climbing(BODY)
Blueprint.preload = lambda _: ("numpy",)
cli.main()
'''
TESTS = Path(__file__).parents[1]


@pytest.fixture
def cluster() -> Iterator[SmallCluster]:
    """A head of one CPU, and a node of one that can leave."""
    made = SmallCluster(cpus=1)
    made.do("start")
    yield made
    made.quit()


@pytest.mark.parametrize("scheduler", ["fifo", "pbt"])
def test_trials_save_and_go_on_elsewhere(
    scheduler: str, cluster: SmallCluster, tmp_path: Path
) -> None:
    """Before the node is gone; nothing fails, and no epoch that was told is trained again."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    verb = "generate" if scheduler == "fifo" else "search"
    words = (sys.executable, "-c", DRIVER)
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    said, journal = tmp_path / "said.txt", tmp_path / "runs/digits/journal.jsonl"
    with said.open("wb") as file:
        driver = subprocess.Popen(
            [*words, verb, "config.yaml", "--set", f"search.scheduler={scheduler}"],
            cwd=tmp_path,
            env=os.environ | ENVIRONMENT | {"PYTHONPATH": path, "RAY_ADDRESS": cluster.address},
            stdout=file,
            stderr=file,
        )

    def leave_after(kind: str, number: int) -> None:
        deadline = time.monotonic() + 240
        while sum(event["event"] == kind for event in read_events(journal)) < number:
            assert driver.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.1)
        began = time.monotonic()
        cluster.do("leave")
        assert time.monotonic() - began < GRACE_S / 2, "its trials stayed until the end"
        cluster.do("start")

    try:
        leave_after("report", 8)
        leave_after("report", 24)
        if scheduler == "fifo":
            leave_after("fold", 2)
        assert driver.wait(timeout=400) == 0, said.read_text()
    finally:
        driver.kill()

    history = check_sweep(tmp_path / "runs/digits", trials=TRIALS)
    assert {trial.state for trial in history.trials.values()} <= {State.FINISHED, State.STOPPED}
    if scheduler == "fifo":
        assert said.read_text().count("about to be taken away; its trials go on elsewhere") >= 2
        logs = [each.read_text() for each in (tmp_path / "runs/digits/trials").glob("*/log.txt")]
        again = [line for text in logs for line in text.splitlines() if "from epoch" in line]
        assert any("from epoch 0" not in line for line in again), "none was moved"
        board = json.loads((tmp_path / "runs/digits/leaderboard.json").read_text())
        assert len(board["entries"]) == TOP
