"""Starts each job in a clean process that has the heavy packages imported already."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from typing import cast

from raygen.execute.child import GOING, train_job
from raygen.execute.gpu_memory import environment_of
from raygen.execute.job import Job, Message
from raygen.execute.leaving import NodeLeavingError, has_saved
from raygen.execute.turn import TAKEN, TurnTakenError
from raygen.runs.records import State

ENVIRONMENT = {
    # threads that wait for each other sleep: spinning ones take the cores from those waited for
    "OMP_WAIT_POLICY": "PASSIVE",
    # bars of progress are lines in a file here
    "TQDM_MININTERVAL": "10",
}
"""Of processes that train; libraries read it when they are loaded, so it must be there before."""
LOOK_S = 2.0
"""How often a job that says nothing is told of what has become of its node."""


class JobRunner(ABC):
    """Runs a job at a time and hears what it says."""

    @abstractmethod
    def start(self, job: Job) -> None:
        """Begin a job; an earlier one is ended first.

        Raises:
            NodeLeavingError: This node is about to be taken away.
        """

    @abstractmethod
    def next(self) -> Message:
        """Wait for the job's next sign of life; after a message that is over, it has ended.

        A job that waits at a milestone is told to go on by this.

        Raises:
            TurnTakenError: Its process has ended before one that came later; see there.
            NodeLeavingError: It has saved and is ended, for its node is about to be taken away.
        """

    @abstractmethod
    def stop(self) -> None:
        """End the running job, if there is one, and wait until its processes are gone."""

    def run(self, job: Job) -> Message:
        """Run a job to its end and return its last message."""
        return list(self.messages(job))[-1]

    def messages(self, job: Job) -> Iterator[Message]:
        """Run a job and yield its messages, the last of which is over."""
        self.start(job)
        while True:
            message = self.next()
            yield message
            if message.state.is_over():
                return


class Runner(JobRunner):
    """A forkserver with packages preloaded, and at most one job at a time in a child of it.

    A child is forked in some 20 ms, nothing it does outlives it, and it dies with this process.

    Args:
        preload: Packages.
        threads: Of each child.
        gpus: That a child may use.
        leaving: Tells whether this node is about to be taken away.
    """

    def __init__(
        self,
        preload: Sequence[str],
        *,
        threads: int,
        gpus: float = 0.0,
        leaving: Callable[[], bool] = lambda: False,
    ) -> None:
        if not gpus:  # or all trials of a machine would share the first GPU
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([*preload, "raygen.execute.child"])
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)  # read by libraries when they are loaded
        os.environ |= environment_of(gpus)
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        main = sys.modules["__main__"]
        # or each child would import Ray's default_worker.py anew, which takes a second
        main.__dict__.pop("__file__", None)
        main.__spec__ = None
        forkserver.ensure_running()  # it imports the packages while we go on
        self._process: ForkServerProcess | None = None
        self._connection: Connection | None = None
        self._job: Job | None = None
        self._holds = self._knows = self._goes = False
        self._leaving = leaving

    def start(self, job: Job) -> None:
        """Begin a job; an earlier one is ended first."""
        self.stop()
        if self._leaving():
            raise NodeLeavingError
        self._connection, theirs = self._context.Pipe()
        self._process = self._context.Process(target=train_job, args=(job, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._job = job

    def next(self) -> Message:
        """Wait for what the child says, or for its death."""
        assert self._process is not None, "start() comes first"
        assert self._connection is not None, "start() comes first"
        assert self._job is not None, "start() comes first"
        if self._goes:
            self.stop()
            raise NodeLeavingError
        if self._holds:
            self._consent()
        if not (ready := self._wait(self._connection, self._process, self._job.hang_timeout_s)):
            told = f"no epoch ended within {self._job.hang_timeout_s:g} s (search.hang_timeout)"
            self.stop()
            return Message(state=State.HUNG, error=told)
        if self._connection not in ready:  # a grandchild may hold the other end open for ever
            return self._last_words()
        try:
            message = cast(Message, self._connection.recv())
            if not message.state.is_over():
                self._goes = self._knows and has_saved(self._job, message)
                self._holds = message.epoch in self._job.milestones
                if not self._holds:
                    self._consent()
                return message
        except (EOFError, OSError):  # it died without a word
            return self._last_words()
        self.stop()
        return message

    def _wait(
        self, connection: Connection, process: ForkServerProcess, timeout_s: float
    ) -> Sequence[object]:
        """Those of the two that have something to say, in time; the job may be told meanwhile."""
        until = time.monotonic() + timeout_s
        while True:
            if not self._knows and self._leaving():
                self._knows = True
                with suppress(OSError):  # it may be gone
                    connection.send(GOING)
            left = until - time.monotonic()
            ready = wait([connection, process.sentinel], timeout=max(min(left, LOOK_S), 0))
            if ready or left <= 0:
                return ready

    def stop(self) -> None:
        """End the running job, if there is one, and wait until its process is gone."""
        if self._process is not None and self._process.pid is not None:
            self._process.kill()
            with suppress(ProcessLookupError):  # what it has started; it leads their group
                os.killpg(self._process.pid, signal.SIGKILL)
        self._join()

    def _join(self) -> None:
        if self._process is not None:
            self._process.join()
            self._process.close()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = self._job = None
        self._holds = self._knows = self._goes = False

    def _consent(self) -> None:
        assert self._connection is not None, "next() has checked"
        self._holds = False
        with suppress(OSError):  # it may have said its last word already and be gone
            self._connection.send(None)

    def _last_words(self) -> Message:
        assert self._process is not None, "next() has checked"
        self._process.join()
        code = self._process.exitcode
        self.stop()
        if code == TAKEN:
            raise TurnTakenError("another process has taken its turn")
        if code == -9:
            told = "killed by signal 9, which is how a machine out of memory ends a process"
            return Message(state=State.OUT_OF_MEMORY, error=told)
        return Message(state=State.ERROR, error=f"the process ended with exit code {code}")
