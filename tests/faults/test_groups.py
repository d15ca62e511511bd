"""Do trials of several processes use nodes that join, and is it told why they wait?"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from climbing_program import check_sweep
from damage import ENVIRONMENT, SmallCluster
from test_nodes import start, wait_for_reports

from raygen.runs.journal import read_events
from raygen.runs.records import State

pytestmark = [pytest.mark.slow, pytest.mark.ray]

TRIALS = 4
OTHER = """
import ray, sys
ray.init(address=sys.argv[1], log_to_driver=False)
@ray.remote(num_cpus=1)
class Other:
    def begin(self): pass
other = Other.remote()
ray.get(other.begin.remote())
print("begun", flush=True)
sys.stdin.read()
"""


def most_training(folder: Path) -> int:
    """Groups that trained at a time."""
    events = read_events(folder / "journal.jsonl")
    changes = [(each["time"], -1) for each in events if each["event"] == "end"]
    for log in folder.glob("trials/*/log.txt"):
        begun = re.findall(r"training from epoch 0 at ([\d.]+)", log.read_text())
        changes.append((min(map(float, begun)), 1))
    return max(itertools.accumulate(change for _, change in sorted(changes)))


@pytest.fixture
def cluster() -> Iterator[SmallCluster]:
    """A head of two CPUs."""
    made = SmallCluster(cpus=2)
    yield made
    made.quit()


def test_groups_wait_are_explained_and_use_what_joins(
    cluster: SmallCluster, tmp_path: Path
) -> None:
    """One fits, but for what others use; a node joins, and it begins, and then a second one."""
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER, cluster.address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | ENVIRONMENT,
        text=True,
    )
    assert other.stdout is not None
    assert "begun" in other.stdout.readline()
    more = ("resources.workers_per_trial=2",)
    driver, said = start(tmp_path, "fifo", cluster.address, TRIALS, more), tmp_path / "said.txt"
    try:
        deadline = time.monotonic() + 100
        while "waiting: " not in said.read_text():
            assert driver.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.2)
        assert not any(tmp_path.glob("runs/digits/trials/*/log.txt")), "it does not wait"
        cluster.do("add")
        wait_for_reports(tmp_path, driver, 2)
        other.communicate()
        assert driver.wait(timeout=400) == 0, said.read_text()
    finally:
        driver.kill()
        other.kill()

    told = " ".join(said.read_text().split())
    assert "a trial needs 2 workers, each of 1 CPUs and 0 GPUs; the nodes have room for 2" in told
    assert "others leave room for 1; it begins when they end or a node joins" in told
    check_sweep(tmp_path / "runs/digits", trials=TRIALS)
    assert most_training(tmp_path / "runs/digits") == 2
    assert not list(tmp_path.glob("runs/digits/trials/*/waits-*"))


def test_a_lost_node_does_not_count_against_a_group(cluster: SmallCluster, tmp_path: Path) -> None:
    """One of its processes dies with a node; though none may die by itself, it goes on."""
    cluster.do("add")
    more = ("resources.workers_per_trial=3", "search.retries=0")
    driver, said = start(tmp_path, "fifo", cluster.address, 2, more), tmp_path / "said.txt"
    try:
        wait_for_reports(tmp_path, driver, 2)
        cluster.do("add")
        cluster.do("kill 1")
        assert driver.wait(timeout=400) == 0, said.read_text()
    finally:
        driver.kill()

    history = check_sweep(tmp_path / "runs/digits", trials=2)
    assert {trial.state for trial in history.trials.values()} == {State.FINISHED}
