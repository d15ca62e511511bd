"""Does whoever comes last train on, and nobody end who trains something else?"""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from raygen.execute.job import Job
from raygen.execute.turn import Turn


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A fold of a trial that has a log."""
    (tmp_path / "log.txt").write_text("")
    return Job(
        model="",
        data="",
        fold=0,
        epochs=1,
        metric="accuracy",
        checkpoint=str(tmp_path / "checkpoint-0"),
        log=str(tmp_path / "log.txt"),
    )


def at_it(job: Job, said: Connection) -> None:
    """A process that takes its turn, and looks once more when it is asked to."""
    turn = Turn(job)
    turn.take()
    said.send("taken")
    said.recv()
    turn.keep()
    said.send("kept")


def begin(job: Job) -> Connection:
    """Start one."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("fork")
    context.Process(target=at_it, args=(job, theirs), daemon=True).start()
    theirs.close()
    return ours


def test_two_seeds_of_a_fold_do_not_end_each_other(job: Job) -> None:
    """They save beside each other; neither waits for the other, nor is put off by it."""
    both = [begin(replace(job, checkpoint=f"{job.checkpoint}-seed-{seed}")) for seed in (1, 2)]

    for said in both:
        assert said.poll(10), "it waits for another training"
        assert said.recv() == "taken"
        said.send("go on")
    assert [said.recv() for said in both] == ["kept", "kept"]


def test_whoever_has_lost_its_turn_ends(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second process of the same training takes over; the first says no more."""
    monkeypatch.setattr("raygen.execute.turn._PREDECESSOR_S", 0.2)  # as if it were on another node
    first = begin(job)
    assert first.recv() == "taken"
    second = begin(job)
    assert second.recv() == "taken"

    for said in (first, second):
        said.send("go on")

    assert second.recv() == "kept"
    with pytest.raises(EOFError):
        first.recv()
