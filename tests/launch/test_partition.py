"""What becomes of a run when the link to one of its nodes is cut, and mended again?

The folder of the run stays within reach on the far side: what trains there must do no harm.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from climbing_program import EPOCHS, check_sweep
from small_network import HEAD, ROOT, WORKER, SmallNetwork, lacking

from raygen.runs.journal import read_events

pytestmark = pytest.mark.slow

TRIALS, TOP, FOLDS = 10, 3, 3
CONFIG = f"""\
task:
  name: ImageClassification
  dataset: {{name: digits}}
model:
  layers: [flatten, {{dense: {{units: $width}}}}]
  parameters:
    width: {{int: [1, 1000]}}
    learning_rate: {{float: [0.01, 0.5], log: true}}
search: {{algorithm: random, scheduler: fifo, trials: {TRIALS}, max_epochs: {EPOCHS}, retries: 0}}
rank: {{top: {TOP}, folds: {FOLDS}}}
"""
LONG_S = 45.0
"""An epoch on the far side of the cut: longer than the death of a node takes to be seen, and than
a successor waits; shorter than the minute after which Ray ends a node that hears of no head."""
DRIVER = f"""
from climbing_program import climbing
from raygen import cli
from raygen.source.render import Blueprint

BODY = '''
import os
net = os.readlink("/proc/self/ns/net")
print("epoch", epoch, "in", net, flush=True)
time.sleep({LONG_S} if os.path.exists("CUT") and net == open("CUT").read() else 0.4)
'''
Blueprint.render = climbing(BODY.replace("CUT", "{{cut}}"))
Blueprint.preload = lambda _: ("numpy",)
cli.main()
"""
HEALTH = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}
RAY = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "TMPDIR": "/tmp", **HEALTH}


class Cluster:
    """A head and a worker of one CPU each, whose link can be cut."""

    def __init__(self, network: SmallNetwork, place: Path) -> None:
        self.network, self.place, self.cut_off = network, place, place / "cut-off"
        self._start("head", "--head", f"--node-ip-address={HEAD}", "--port=6379")
        code, net = network.run("readlink", "/proc/self/ns/net", cwd=place, net="worker")
        assert code == 0, net
        self.net = net.strip()
        self._start("worker", f"--address={HEAD}:6379", f"--node-ip-address={WORKER}")

    def begin(self, name: str) -> subprocess.Popen[bytes]:
        """Begin a run on the head."""
        driver = DRIVER.replace("{cut}", str(self.cut_off))
        words = ["generate", "--config", "config.yaml", "--run-dir", f"runs/{name}"]
        words += ["--output", f"{name}.py"]
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        with (self.place / f"{name}.txt").open("wb") as said:
            return subprocess.Popen(
                self.network.words(
                    sys.executable, "-c", driver, *words, cwd=self.place, net="head"
                ),
                env=self.network.environment(**RAY, RAY_ADDRESS=f"{HEAD}:6379", PYTHONPATH=path),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def cut(self) -> None:
        """Pull the worker's cable, and mark its side for the programs there."""
        draft = self.cut_off.with_suffix(".part")
        draft.write_text(self.net)
        draft.replace(self.cut_off)
        self._link("down")

    def mend(self) -> None:
        """Plug it in again; what trains on that side stays slow."""
        self._link("up")

    def _link(self, state: str) -> None:
        words = ("ip", "link", "set", "eth0", state)
        code, told = self.network.run(*words, cwd=self.place, net="worker")
        assert code == 0, told

    def _start(self, net: str, *words: str) -> None:
        ray = (sys.executable, "-m", "ray.scripts.scripts", "start")
        more = ("--num-cpus=1", "--object-store-memory=100000000", "--include-dashboard=false")
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        code, told = self.network.run(
            *ray,
            *words,
            *more[: None if net == "head" else 2],
            cwd=self.place,
            net=net,
            **RAY,
            PYTHONPATH=path,
        )
        assert code == 0, told


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Both nodes are there."""
    if reason := lacking():
        pytest.skip(reason)
    (tmp_path / "n").mkdir()
    place = tmp_path / "work"
    place.mkdir()
    (place / "config.yaml").write_text(CONFIG)
    with SmallNetwork(tmp_path / "n") as network:
        yield Cluster(network, place)


def wait_for_the_worker(
    cluster: Cluster, name: str, driver: subprocess.Popen[bytes], folds: int
) -> None:
    """Until so many folds are over, and a training on the worker is in its second epoch."""
    deadline = time.monotonic() + 200
    folder, said = cluster.place / "runs" / name, cluster.place / f"{name}.txt"
    while True:
        assert driver.poll() is None, said.read_text()
        assert time.monotonic() < deadline, said.read_text()
        logs = [log.read_text() for log in folder.glob("trials/*/log.txt")]
        over = sum(event["event"] == "fold" for event in read_events(folder / "journal.jsonl"))
        if over >= folds and any(log.endswith(f"epoch 2 in {cluster.net}\n") for log in logs):
            return
        time.sleep(0.02)


def verdict(cluster: Cluster, name: str) -> list[dict[str, Any]]:
    """The entries of the leaderboard, but for the seconds that they took."""
    board = json.loads((cluster.place / "runs" / name / "leaderboard.json").read_text())
    return [
        {key: value for key, value in entry.items() if "seconds" not in key}
        for entry in board["entries"]
    ]


@pytest.mark.parametrize("folds", [0, TOP + 1], ids=["search", "ranking"])
def test_a_cut_link_changes_nothing(folds: int, cluster: Cluster) -> None:
    """All is done elsewhere, and the far side, which goes on for a while, lets it be."""
    peaceful = cluster.begin("peaceful")
    assert peaceful.wait(timeout=300) == 0, (cluster.place / "peaceful.txt").read_text()

    driver = cluster.begin("cut")
    try:
        wait_for_the_worker(cluster, "cut", driver, folds)
        cluster.cut()
        time.sleep(LONG_S + 5)  # what trains there comes to the end of an epoch, and would save
        cluster.mend()
        assert driver.wait(timeout=300) == 0, (cluster.place / "cut.txt").read_text()
    finally:
        driver.kill()

    folder = cluster.place / "runs/cut"
    logs = [log.read_text() for log in folder.glob("trials/*/log.txt")]
    assert sum("another process has taken over" in log for log in logs) == 1, logs
    history = check_sweep(folder, trials=TRIALS)
    assert not any(trial.state.has_failed() for trial in history.trials.values())
    events = read_events(folder / "journal.jsonl")
    assert [event["error"] for event in events if event.get("error")] == []
    folds = [(event["trial_id"], event["fold"]) for event in events if event["event"] == "fold"]
    assert len(folds) == len(set(folds)) == TOP * FOLDS
    assert verdict(cluster, "cut") == verdict(cluster, "peaceful")
