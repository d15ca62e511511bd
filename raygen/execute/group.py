"""Trains each job in several processes at once, which Ray Train starts wherever there is room."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from raygen.execute.child import GOING
from raygen.execute.group_launch import Ended, Event, Joined, Launch, Lost, Told
from raygen.execute.job import Job, Message
from raygen.execute.leaving import Leaving, NodeLeavingError, has_saved
from raygen.execute.losses import MOST_FORGIVEN
from raygen.execute.newcomers import Newcomers
from raygen.execute.run import Worker
from raygen.execute.runner import LOOK_S, JobRunner, Runner
from raygen.execute.shared_folder import check_here
from raygen.runs.records import State
from raygen.source.candidate import Source

_START_S = 600.0
"""Time in which a group must have come up; the nodes may still be pulling themselves together."""
_GRACE_S = 1.0
"""Time in which the death of one process explains the error of another."""
_TRAIN = {
    "RAY_TRAIN_V2_ENABLED": "1",
    # how soon the end or the death of a process is seen; the default of 2 s costs 4 s a job
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    # what a program prints goes into its own log, as it is
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    # a process that is taken away is a process that died: its group is started again
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}


def new_runner(worker: Worker) -> JobRunner:
    """What runs the jobs of a warm worker: in a process of its own, or in a group of them.

    Raises:
        RunError: This node does not see the folder of the run.
    """
    check_here(worker.folder)
    if worker.group is not None:
        return GroupRunner(worker)
    leaving = Leaving().here
    return Runner(worker.preload, threads=worker.threads, gpus=worker.gpus, leaving=leaving)


class GroupRunner(JobRunner):
    """Does what a Runner does, with a new group of processes for each job.

    A group that has lost a process is started again, from the job's last checkpoint; so is one with
    a node that is about to be taken away, when it has saved, and one that was out of memory, with
    smaller micro-batches.

    The processes are no part of the resources of whoever holds this: Ray Train reserves them
    itself, all of a group or none. Two groups can therefore not wait for each other, and no more
    of them are begun at a time than there is room for; see ``raygen.search.placing``.
    """

    def __init__(self, worker: Worker) -> None:
        assert worker.group is not None, "else a Runner would do"
        for name, value in _TRAIN.items():
            os.environ.setdefault(name, value)
        self._group, self._data_key, self._folder = worker.group, worker.data_key, worker.folder
        self._newcomers = Newcomers(Path(worker.folder), say=lambda line: None)
        self._launch: Launch | None = None
        self._job: Job | None = None
        self._deaths = self._forgiven = self._told = 0
        self._leaving = Leaving()
        self._holds = self._knows = self._goes = False

    def start(self, job: Job) -> None:
        """Begin a job; an earlier one is ended first."""
        self.stop()
        if self._leaving.here():
            raise NodeLeavingError
        self._job, self._deaths, self._forgiven, self._told = job, 0, 0, 0
        self._launch = self._launched(job)

    def next(self) -> Message:
        """Wait for what rank 0 says, and begin anew if a process is lost."""
        message = self._next()
        if message.state.is_over():
            self.stop(finished=message.state is State.FINISHED)
        return message

    def stop(self, *, finished: bool = False) -> None:
        """End the running job, if there is one, and wait until its processes are gone.

        Args:
            finished: Whether they are about to end by themselves.
        """
        if self._launch is not None:
            self._launch.close(finished=finished)
        self._launch = self._job = None
        self._holds = self._knows = self._goes = False

    def _next(self) -> Message:
        assert self._launch is not None, "start() comes first"
        assert self._job is not None, "start() comes first"
        if self._goes:
            if self._leaving.here():
                self.stop()
                raise NodeLeavingError
            self._begin_again(self._job)
        if self._holds:
            self._consent(self._launch)
        while True:
            is_up = self._launch.is_up
            match self._wait(self._launch, self._job.hang_timeout_s if is_up else _START_S):
                case Told(message) if message.state.is_over():
                    if message.state is State.OUT_OF_MEMORY and self._can_halve():
                        self._begin_again(replace(self._job, halvings=self._job.halvings + 1))
                    elif not self._is_explained(message):
                        return message
                case Told(message):
                    self._goes = self._knows and has_saved(self._job, message)
                    self._holds = message.epoch in self._job.milestones and not self._goes
                    if message.epoch > self._told:
                        self._told = message.epoch
                        if not self._holds:
                            self._consent(self._launch)
                        return message
                    self._consent(self._launch)  # trained again since the last checkpoint
                case Ended(error, is_forgiven):
                    self._forgiven += is_forgiven
                    self._deaths += not is_forgiven or self._forgiven > MOST_FORGIVEN
                    if self._deaths > self._group.retries:
                        return _lost(error, self._deaths)
                    self._begin_again(self._job)
                case Joined() | Lost():
                    continue
                case None:
                    return self._hung(is_up)

    def _wait(self, launch: Launch, timeout_s: float) -> Event | None:
        """The next event, if there is one in time; rank 0 is told when one of its nodes must go."""
        until = time.monotonic() + timeout_s
        while True:
            leaves = self._leaving.here() or bool(launch.nodes & self._leaving.nodes())
            if launch.is_up and not self._knows and leaves:
                self._knows = True
                launch.say(GOING)
            left = until - time.monotonic()
            event = launch.wait(max(min(left, LOOK_S), 0))
            if event is not None or left <= 0:
                return event

    def _begin_again(self, job: Job) -> None:
        """Start the group anew; it goes on from the last checkpoint."""
        assert self._launch is not None, "_next() has checked"
        self._knows = self._goes = False
        self._launch.close()
        self._job, self._launch = job, self._launched(job)

    def _launched(self, job: Job) -> Launch:
        """A group on nodes that see the folder of the run; the driver names those that do not."""
        if self._folder:
            self._newcomers.settle()
        return Launch(self._group, job, self._data_key, self._newcomers.shunned)

    def _can_halve(self) -> bool:
        """Whether the program has micro-batches that can be smaller; its batches stay as they are.

        One process halves them by itself. Those of a group wait for each other's gradients, so
        none of them can try again alone.
        """
        assert self._job is not None, "_next() has checked"
        text = Path(self._job.model).read_text(encoding="utf-8")
        size = Source(text).constants.get("MICRO_BATCH", 1)
        return isinstance(size, int) and size >> self._job.halvings > 1

    def _is_explained(self, message: Message) -> bool:
        """Whether an error comes of another process's death, after which all begins anew."""
        assert self._launch is not None, "_next() has checked"
        if message.state is not State.ERROR:
            return False
        until = time.monotonic() + _GRACE_S
        while not self._launch.has_lost and (left := until - time.monotonic()) > 0:
            self._launch.wait(left)
        return self._launch.has_lost

    def _hung(self, was_up: bool) -> Message:
        assert self._job is not None, "_next() has checked"
        told = f"no epoch ended within {self._job.hang_timeout_s:g} s (search.hang_timeout)"
        if not was_up:
            told = f"its {self._group.workers[0]} workers did not start within {_START_S:g} s"
        return Message(state=State.HUNG, error=told)

    def _consent(self, launch: Launch) -> None:
        self._holds = False
        launch.say(None)


def _lost(error: str, deaths: int) -> Message:
    told = f"its workers died {deaths} times (search.retries): {error}"
    return Message(state=State.LOST, error=told[:500])
