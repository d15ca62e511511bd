"""Whose turn is it to train a job, should two processes be at it?

When a node is cut off, its trials go on elsewhere, and what trains there does not know. If it still
reaches the folder of the run, it must not write over what its successor does.
"""

from __future__ import annotations

import fcntl
import os
import time
import uuid
import zlib
from pathlib import Path

from raygen.execute.job import Job
from raygen.runs.paths import turn_of

TAKEN = os.EX_TEMPFAIL
"""What a process ends with when another one has taken its turn."""
_PREDECESSOR_S = 30.0


class TurnTakenError(Exception):
    """A job's process has ended because another one took its turn; it may be run again.

    Whoever hears of it is the one who waits for the job. What came later was not: it is of a
    worker that is dead, or that nobody hears any more.
    """


class Turn:
    """The right of one process to train a job, until another one takes it.

    It is a file with a number: that of the process which came last. When the job is over, the file
    is gone.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._file = turn_of(Path(job.checkpoint))
        self._own = ""

    def take(self) -> None:
        """Take it from whoever has it, and wait until that process is gone."""
        self._own = uuid.uuid4().hex
        file = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(file, self._own.encode(), 0)  # all numbers are as long, so it is whole
        os.close(file)
        _await_predecessor(self._job)

    def keep(self) -> None:
        """Go on if it is still ours, and end this process at once if it is not."""
        if self._own and not self._is_ours():
            print("another process has taken over; this one ends", flush=True)
            os._exit(TAKEN)

    def _is_ours(self) -> bool:
        try:
            return self._file.read_text(encoding="ascii") == self._own
        except FileNotFoundError:
            return False


def _await_predecessor(job: Job) -> None:
    """Wait until no earlier process of the same job is left, which might still save.

    When a worker dies, its job is given to another at once, and on a busy machine the child of the
    first lives a moment longer. Each holds a lock on a byte of the log, by the name of its
    checkpoint, which ends with it. Whoever waits in vain goes on: the other may be on a node that
    is cut off, and ends when it sees that its turn is over.
    """
    log = os.open(job.log, os.O_RDWR)  # stays open, and so locked, until this process ends
    place = zlib.crc32(Path(job.checkpoint).name.encode())
    until = time.monotonic() + _PREDECESSOR_S
    while time.monotonic() < until:
        try:
            fcntl.lockf(log, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):
            time.sleep(0.02)
        except OSError:  # a file system without locks
            return
        else:
            return
    print(f"an earlier process is still at it after {_PREDECESSOR_S:g} s", flush=True)
