"""Is there room on the disk of a run, and does the run keep to its own?"""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from raygen.errors import RaygenError, RunError

_LOOK_S = 10.0
_RESERVE = 256_000_000
"""Bytes that a run leaves free, or a twentieth of a small disk."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskGuard:
    """Looks at the disk of a run now and then, for as long as the block lasts.

    Args:
        folder: Of the run.
        quota_gb: What the run may take; None for any.
        stop: Is told once what the matter is, so that the run ends while it can still write.
    """

    def __init__(
        self, folder: Path, quota_gb: float | None, stop: Callable[[RaygenError], None]
    ) -> None:
        self._folder, self._quota_gb, self._stop = folder, quota_gb, stop
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._look, name="disk", daemon=True)

    def __enter__(self) -> DiskGuard:
        """Begin to look.

        Raises:
            RunError: There is no room to begin with.
        """
        if problem := self._problem():
            raise problem
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more."""
        self._closing.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._closing.wait(_LOOK_S):
            if problem := self._problem():
                self._stop(problem)
                return

    def _problem(self) -> RunError | None:
        if self._quota_gb is not None:
            used = size_of(self._folder) / 1e9
            if used > self._quota_gb:
                return RunError(
                    f"the run takes {used:.3g} GB",
                    where=str(self._folder),
                    must=f"resources.disk_gb is {self._quota_gb:g}; all that was done is kept",
                    remedy="raise it, or lower search.trials; the same command goes on",
                )
        return None if has_room(self._folder) else disk_full(self._folder)


@contextmanager
def told_if_full(folder: Path) -> Iterator[None]:
    """Say what the matter is where a file could not be written for lack of room.

    Raises:
        RunError: In place of an error that comes of a full disk.
    """
    try:
        yield
    except RaygenError:
        raise
    except Exception as error:  # those of Ray Tune hold ours as a text
        if folder.is_dir() and is_full(error, folder):
            raise disk_full(folder) from error
        raise


def has_room(folder: Path) -> bool:
    """Whether the disk of a folder has more left than a run leaves free."""
    disk = shutil.disk_usage(folder)
    return disk.free > min(_RESERVE, disk.total / 20)


def disk_full(folder: Path) -> RunError:
    """What is said of a run that had to stop."""
    free = shutil.disk_usage(folder).free
    return RunError(
        f"its disk is full: {free / 1e6:.3g} MB are left",
        where=str(folder),
        must="all that was done is kept",
        remedy="make room; the same command goes on",
    )


def is_full(error: BaseException, folder: Path) -> bool:
    """Whether an error comes of a full disk: libraries do not always say so, so it is looked at."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    if any(f"[Errno {number}]" in str(error) for number in _FULL):
        return True
    return isinstance(error, (OSError, RuntimeError)) and shutil.disk_usage(folder).free < 1_000_000


def size_of(folder: Path) -> int:
    """Bytes that a folder takes on the disk; files of several names count once."""
    seen: dict[tuple[int, int], int] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # it may be gone by now
                found = os.lstat(Path(place) / name)
                seen[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(seen.values())
