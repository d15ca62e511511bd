"""What can be damaged while a run is on a cluster: workers, nodes, the driver, the disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from raygen.runs.journal import read_events

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}
MARK = "RAYGEN_TEST_RUN"
"""Variable by which the processes of a cluster are known."""


class SmallCluster:
    """A cluster on this machine, in a process of its own.

    Args:
        cpus: Of each node.
    """

    def __init__(self, cpus: int) -> None:
        program = Path(__file__).with_name("small_cluster.py")
        command = [sys.executable, str(program), str(cpus)]
        self.mark = uuid.uuid4().hex
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | ENVIRONMENT | {MARK: self.mark},
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()

    def do(self, line: str) -> None:
        """Add or kill a node."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def quit(self) -> None:
        """Take all of it down, if it is not."""
        assert self._process.stdin is not None
        with suppress(OSError, ValueError, subprocess.TimeoutExpired):
            self._process.stdin.close()
            self._process.wait(timeout=60)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def workers(self) -> list[int]:
        """The processes that hold a trial or a fold."""
        return [
            pid
            for pid in _processes(self.mark)
            if _title(pid).startswith(("ray::Trial", "ray::Pool"))
        ]


def _processes(mark: str) -> Iterator[int]:
    """All that have this mark in their environment."""
    wanted = f"{MARK}={mark}".encode()
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if folder.name.isdecimal() and wanted in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)


def _title(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    return ""


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Let a folder be a disk of its own for as long as the block lasts; root only."""
    folder.mkdir(parents=True, exist_ok=True)
    size = f"size={megabytes}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Let nothing be free on a disk for as long as the block lasts."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):  # no space left
        while True:
            file.write(bytes(65536))
    try:
        yield
    finally:
        ballast.unlink()


def progress(journal: Path) -> int:
    """How many epochs, ends, moves and folds are journalled."""
    counted = ("report", "end", "exploit", "fold", "fit", "test")
    return sum(event["event"] in counted for event in read_events(journal))


def wait_for_progress(journal: Path, driver: subprocess.Popen[bytes], timeout_s: float) -> None:
    """Wait until something more is journalled, or the driver is over."""
    before, deadline = progress(journal), time.monotonic() + timeout_s
    while driver.poll() is None and progress(journal) == before:
        assert time.monotonic() < deadline, "nothing goes on"
        time.sleep(0.05)
