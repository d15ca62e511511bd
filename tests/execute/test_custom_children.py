from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from raygen.config.domain import Choice
from raygen.config.space import Parameter, Space
from raygen.execute.job import Job
from raygen.execute.runner import Runner
from raygen.runs.records import State
from raygen.source.candidate import Candidate
from raygen.source.custom import CustomBlueprint
from raygen.source.user_command import read_command
from raygen.source.user_function import read_function
from raygen.tasks.task import Objective

SPACE = Space("config", (), parameters=(Parameter("lr", Choice((1, 2))),))
SLEEPER = """
import json, os, sys, time
print(json.dumps({"loss": 1.0, "pid": os.getpid()}))
time.sleep(600)
"""
COUNTER = """
import json
from pathlib import Path

def train(parameters, report, resume=None):
    done = int((Path(resume) / "done").read_text()) if resume else 0
    for epoch in range(done + 1, 4):
        if epoch == 3 and not resume:
            raise RuntimeError("the first attempt ends here")
        save = lambda folder: (Path(folder) / "done").write_text(str(epoch))
        report({"loss": epoch, "begun": done}, SAVE)
"""
NewJob = Callable[..., Job]


@pytest.fixture
def custom_job(new_job: NewJob, tmp_path: Path) -> NewJob:
    """Jobs of programs that start a user's own: ``custom_job(train_py, command="...")``."""

    def make(train: str, command: str = "") -> Job:
        (tmp_path / "train.py").write_text(train, encoding="utf-8")
        own = (
            read_command(command, SPACE, where="")
            if command
            else read_function("train.py:train", tmp_path, where="")
        )
        blueprint = CustomBlueprint(
            name="custom",
            objectives=(Objective("loss", "min"),),
            space=SPACE,
            seed=0,
            epochs=3,
            folder=tmp_path,
            program=own,
        )
        job = new_job(metric="loss")
        Path(job.model).write_text(blueprint.render(Candidate({"lr": 1})).text, encoding="utf-8")
        return job

    return make


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_for(fact: Callable[[], bool]) -> None:
    """Wait until something holds; fail when it never does."""
    deadline = time.monotonic() + 30
    while not fact():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_a_command_ends_with_its_trial(runner: Runner, custom_job: NewJob, killed: bool) -> None:
    """Whether the scheduler ends the trial, or its process is killed: no orphan trains on."""
    runner.start(custom_job(SLEEPER, command="python train.py {lr}"))
    pid = int(runner.next().metrics["pid"])
    assert is_alive(pid)

    if killed:
        assert runner._process is not None
        assert runner._process.pid is not None
        os.kill(runner._process.pid, signal.SIGKILL)
    else:
        runner.stop()

    wait_for(lambda: not is_alive(pid))


def test_a_function_goes_on_from_its_checkpoint(runner: Runner, custom_job: NewJob) -> None:
    """A second attempt begins where the first has saved, and tells of each epoch."""
    job = custom_job(COUNTER.replace("SAVE", "save"))

    first, second = list(runner.messages(job)), list(runner.messages(job))

    assert [message.state for message in first] == [State.RUNNING, State.RUNNING, State.ERROR]
    assert "train.py:9 `raise RuntimeError" in first[-1].error
    assert [message.epoch for message in second] == [1, 2, 3]
    assert second[-1].state is State.FINISHED
    assert second[-1].metrics["begun"] in (1, 2)


@pytest.mark.parametrize(
    "train",
    [
        COUNTER.replace("SAVE", "None"),
        COUNTER.replace("SAVE", "save").replace(", resume=None", "").replace("resume", "None"),
    ],
    ids=["nothing to save with", "no resume"],
)
def test_a_function_without_checkpoints_is_begun_anew(
    runner: Runner, custom_job: NewJob, train: str
) -> None:
    """Nothing is saved for it, and nothing breaks."""
    job = custom_job(train)

    first, second = list(runner.messages(job)), list(runner.messages(job))

    assert [message.state for message in first] == [message.state for message in second]
    assert second[-1].state is State.ERROR
    assert not Path(job.checkpoint).exists()


def test_a_milestone_without_a_checkpoint_is_told(runner: Runner, custom_job: NewJob) -> None:
    """Where a scheduler may pause it, a program that gives nothing to save with is at fault."""
    job = replace(custom_job(COUNTER.replace("SAVE", "None")), milestones=(2,))

    last = list(runner.messages(job))[-1]

    assert last.state is State.ERROR
    assert "the scheduler needs checkpoints: report(metrics, save) must save" in last.error
