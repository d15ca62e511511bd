"""Does a run get through a real Slurm, whose jobs are preempted and whose nodes come and go?"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_slurm import PROGRAMS, RealSlurm

from raygen.runs.journal import read_events
from raygen.runs.records import History, State

pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may start Slurm"),
    pytest.mark.skipif(
        not all(map(shutil.which, PROGRAMS)), reason="Slurm is not installed (slurm-wlm, munge)"
    ),
]
CONFIG = """task: {name: ImageClassification, dataset: {name: digits}}
model:
  layers: [flatten, {dense: {units: $width}}]
  parameters: {width: {choice: [4, 8, 16, 32, 64]}, learning_rate: {choice: [0.01, 0.03, 0.1]}}
search: {algorithm: grid, scheduler: fifo, max_epochs: 8}
rank: {top: 2, folds: 2}
"""
POINTS = 15
_PATIENCE_S = 420.0


@pytest.fixture
def slurm() -> Iterator[RealSlurm]:
    """It is ended with the test."""
    made = RealSlurm()
    yield made
    made.close()


class Place:
    """A folder in which commands are typed."""

    def __init__(self, folder: Path, slurm: RealSlurm, cluster: str) -> None:
        self._folder, self._slurm = folder, slurm
        self.run = folder / "runs" / "digits"
        (folder / "config.yaml").write_text(CONFIG)
        (folder / "slurm.yaml").write_text(f"slurm: {{python: {sys.executable}, {cluster}}}\n")

    def raygen(self, *words: str) -> str:
        """What the command line prints."""
        done = subprocess.run(
            [sys.executable, "-m", "raygen", *words],
            cwd=self._folder,
            env=os.environ | self._slurm.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def submit(self) -> str:
        """The number of the job."""
        self.raygen("submit", "config.yaml", "--cluster", "slurm.yaml")
        job: str = json.loads((self.run / "launch/ticket.json").read_text())["job"]
        return job

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait, and tell what the job has printed if it is for nothing."""
        deadline = time.monotonic() + _PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.5)

    def log(self) -> str:
        """What all tasks have printed."""
        return "\n".join(path.read_text() for path in self.run.glob("launch/log.txt*"))

    def ended(self) -> int:
        """Trials that are over."""
        events = read_events(self.run / "journal.jsonl")
        return sum(event["event"] == "end" for event in events)

    def is_over(self) -> bool:
        """Whether the job is gone from the queue."""
        return "gone" in self.raygen("status", "runs/digits")

    def check(self) -> None:
        """Fail unless each point of the grid was trained once, and the winner is there."""
        history = History.read(self.run / "journal.jsonl")
        assert len({trial.candidate for trial in history.trials.values()}) == POINTS, self.log()
        assert {trial.state for trial in history.trials.values()} == {State.FINISHED}
        assert self.ended() == POINTS
        assert all(len(trial.curve) == 8 for trial in history.trials.values())
        assert (self._folder / "model.py").exists()


def test_a_job_that_is_queued_again_loses_nothing(slurm: RealSlurm, tmp_path: Path) -> None:
    """Two nodes at once; the job is taken from them in the middle, and gets them again."""
    place = Place(tmp_path, slurm, "nodes: 2, cpus_per_node: 1")
    job = place.submit()
    place.wait_until(lambda: place.ended() >= 3)

    slurm.ask("scontrol", "requeue", job)

    place.wait_until(place.is_over)
    place.check()
    sessions = History.read(place.run / "journal.jsonl").sessions
    assert len(sessions) == 2, place.log()


def test_a_grid_as_an_array(slurm: RealSlurm, tmp_path: Path) -> None:
    """The run begins on one node; a second joins, is taken away, and all ends by itself."""
    place = Place(tmp_path, slurm, "nodes: 2, cpus_per_node: 1, array: true")
    slurm.ask("scontrol", "update", "NodeName=n2", "State=DRAIN", "Reason=in use")
    job = place.submit()
    assert job.endswith("_0")
    place.wait_until(lambda: place.ended() >= 2)

    slurm.ask("scontrol", "update", "NodeName=n2", "State=RESUME")
    place.wait_until(lambda: "joining the head" in place.log())
    place.wait_until(lambda: place.ended() >= 7)
    slurm.ask("scancel", job.replace("_0", "_1"))

    place.wait_until(place.is_over)
    place.check()
    place.wait_until(lambda: not slurm.ask("squeue", "--noheader"))
