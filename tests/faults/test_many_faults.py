"""Does a run come to the same end whatever breaks under it, and however often?

Two nodes with two workers each. Rounds of a whole run (FIFO, ranked) and of searches (ASHA, PBT)
are disturbed at random until enough has been broken; each must end whole, and the seeded FIFO run
with the leaderboard of one that nothing has disturbed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from climbing_program import EPOCHS, check_sweep
from damage import ENVIRONMENT, SmallCluster, filled, small_disk, wait_for_progress

from raygen.runs.journal import read_events

pytestmark = pytest.mark.ray

TRIALS, TOP, FOLDS, SECONDS_AN_EPOCH = 24, 4, 3, 0.4
CONFIG = f"""task:
  name: ImageClassification
  dataset: {{name: digits}}
model:
  layers: [flatten, {{dense: {{units: $width}}}}]
  parameters:
    width: {{int: [1, 1000]}}
    learning_rate: {{float: [0.01, 0.5], log: true}}
search: {{algorithm: random, trials: {TRIALS}, max_epochs: {EPOCHS}, retries: 1000}}
rank: {{top: {TOP}, folds: {FOLDS}}}
"""
DRIVER = f"""
from climbing_program import climbing
from raygen import cli
from raygen.source.render import Blueprint

Blueprint.render = climbing("time.sleep({SECONDS_AN_EPOCH})")
Blueprint.preload = lambda _: ("numpy",)
cli.main()
"""
TESTS = Path(__file__).parents[1]
KINDS = {"worker": 12, "node": 3, "driver": 3, "disk": 2}
"""How often each is drawn."""
_PATIENCE_S = 120.0


class Disturbed:
    """A run that is begun again as often as it takes, and what is broken meanwhile."""

    def __init__(self, place: Path, scheduler: str, cluster: SmallCluster) -> None:
        self.folder = place / "runs" / "digits"
        self.cluster, self.nodes, self.broken = cluster, 1, 0
        self._place = place
        verb = "generate" if scheduler == "fifo" else "search"
        self._words = [verb, "--config", "config.yaml", "--set", f"search.scheduler={scheduler}"]
        place.mkdir(exist_ok=True)
        (place / "config.yaml").write_text(CONFIG, encoding="utf-8")
        self.driver = self._start()

    def disturb(self, kind: str, dice: random.Random) -> bool:
        """Wait until something goes on, and break something; false if the run is over before."""
        wait_for_progress(self.folder / "journal.jsonl", self.driver, _PATIENCE_S)
        time.sleep(dice.uniform(0, SECONDS_AN_EPOCH))
        if self.driver.poll() is not None or not getattr(self, f"_break_{kind}")(dice):
            return False
        self.broken += 1
        return True

    def finish(self) -> None:
        """Leave it in peace until it ends."""
        assert self.driver.wait(timeout=400) == 0, self.said()

    def said(self) -> str:
        """What it printed."""
        return (self._place / "said.txt").read_text()

    def _start(self) -> subprocess.Popen[bytes]:
        path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
        mine = {"PYTHONPATH": path, "RAY_ADDRESS": self.cluster.address}
        with (self._place / "said.txt").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-c", DRIVER, *self._words],
                cwd=self._place,
                env=os.environ | ENVIRONMENT | mine,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def _break_worker(self, dice: random.Random) -> bool:
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline and self.driver.poll() is None:
            if found := self.cluster.workers():
                with suppress(ProcessLookupError):  # it has ended since
                    os.kill(dice.choice(found), signal.SIGKILL)
                    return True
            time.sleep(0.1)
        assert self.driver.poll() is not None, self.said()
        return False

    def _break_node(self, dice: random.Random) -> bool:
        self.cluster.do(f"kill {self.nodes}")
        self.cluster.do("add")
        self.nodes += 1
        return True

    def _break_driver(self, dice: random.Random) -> bool:
        self.driver.kill()
        self.driver.wait()
        self.driver = self._start()
        return True

    def _break_disk(self, dice: random.Random) -> bool:
        with filled(self._place / "runs"):
            code = self.driver.wait(timeout=_PATIENCE_S)
        if code == 0:  # it was about to end
            return False
        assert code == 2, self.said()
        last = self.said().strip().splitlines()[-1]
        assert "make room" in last, self.said()
        self.driver = self._start()
        return True


@pytest.fixture
def cluster() -> Iterator[SmallCluster]:
    """Two nodes of two CPUs."""
    made = SmallCluster(cpus=2)
    made.do("add")
    yield made
    made.quit()


Begin = Callable[[str, str], Disturbed]


@pytest.fixture
def begin(cluster: SmallCluster, tmp_path: Path) -> Iterator[Begin]:
    """Begins a run by its name and scheduler, on a disk of its own where one may be made."""
    begun: list[Disturbed] = []
    disks = []

    def run(name: str, scheduler: str) -> Disturbed:
        if os.geteuid() == 0:
            disk = small_disk(tmp_path / name / "runs", megabytes=40)
            disk.__enter__()
            disks.append(disk)
        made = Disturbed(tmp_path / name, scheduler, cluster)
        made.nodes = begun[-1].nodes if begun else 1
        begun.append(made)
        return made

    yield run
    for each in begun:
        each.driver.kill()
        each.driver.wait()
    for disk in disks:
        disk.__exit__(None, None, None)


def check_whole(run: Disturbed) -> None:
    """Fail unless every trial and every fold is there, and once."""
    history = check_sweep(run.folder, trials=TRIALS)
    events = read_events(run.folder / "journal.jsonl")
    folds = [(each["trial_id"], each["fold"]) for each in events if each["event"] == "fold"]
    assert len(folds) == len(set(folds)) == (TOP * FOLDS if history.test else 0)
    assert [each["error"] for each in events if each.get("error")] == [], run.said()
    assert not any(trial.state.has_failed() for trial in history.trials.values())


def verdict(run: Disturbed) -> list[dict[str, Any]]:
    """The entries of the leaderboard, but for the seconds that they took."""
    board = json.loads((run.folder / "leaderboard.json").read_text(encoding="utf-8"))
    return [
        {key: value for key, value in entry.items() if "seconds" not in key}
        for entry in board["entries"]
    ]


def disturb_runs(
    begin: Begin, kinds: list[str], schedulers: list[str], dice: random.Random
) -> None:
    """Break one thing after the other, in as many runs as it takes, and check each run."""
    peaceful = begin("peaceful", "fifo")
    peaceful.finish()
    expected, left = verdict(peaceful), deque(kinds)
    for number, scheduler in enumerate(cycle(schedulers)):
        run = begin(f"{number}-{scheduler}", scheduler)
        while left and run.disturb(left[0], dice):
            left.popleft()
        run.finish()
        print(f"{run.broken} faults under {scheduler}, {len(left)} to come", flush=True)
        check_whole(run)
        if scheduler == "fifo":
            for found, wanted in zip(verdict(run), expected, strict=True):
                assert found == wanted
        if not left:
            return


def kinds_here() -> list[str]:
    """What can be broken here, as often as it is to be drawn; only root may make a small disk."""
    return [
        kind for kind, n in KINDS.items() for _ in range(n) if kind != "disk" or not os.geteuid()
    ]


def test_a_few_faults_change_nothing(begin: Begin) -> None:
    """One of each kind in a run of FIFO, and in its ranking."""
    disturb_runs(begin, sorted(set(kinds_here())), ["fifo"], random.Random(1))


@pytest.mark.slow
def test_200_faults_change_nothing(begin: Begin) -> None:
    """Workers, nodes, drivers and disks, under three schedulers and while ranking."""
    dice = random.Random(0)
    kinds = dice.choices(kinds_here(), k=200)

    disturb_runs(begin, kinds, ["fifo", "asha", "pbt"], dice)
