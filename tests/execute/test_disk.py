"""Does a run stop while there is still room on its disk?"""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections import namedtuple
from pathlib import Path

import pytest

from raygen.errors import RaygenError, RunError
from raygen.execute import disk
from raygen.execute.disk import DiskGuard, is_full, size_of, told_if_full
from raygen.runs.journal import Journal, read_events

Usage = namedtuple("Usage", "total used free")


def test_a_run_that_takes_more_than_its_quota_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told once, with the key and what it takes."""
    monkeypatch.setattr(disk, "_LOOK_S", 0.01)
    told: list[RaygenError] = []

    with DiskGuard(tmp_path, 0.001, told.append):
        time.sleep(0.1)
        assert told == []
        (tmp_path / "checkpoint").write_bytes(os.urandom(2_000_000))
        deadline = time.monotonic() + 20
        while not told and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)

    assert len(told) == 1
    assert re.search(r"the run takes 0\.00[12]\d* GB", str(told[0]))  # or while it is written
    assert "resources.disk_gb is 0.001" in str(told[0])


def test_a_full_disk_is_no_place_to_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before anything runs."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 10**12 - 10**8, 10**8))

    with (
        pytest.raises(RunError, match="its disk is full: 100 MB are left"),
        DiskGuard(tmp_path, None, lambda _: None),
    ):
        pytest.fail("it began")


def test_a_full_disk_is_told_though_ray_tune_has_our_error_as_a_text(tmp_path: Path) -> None:
    """Other errors, and our own, stay what they are."""
    text = "Traceback (most recent call last): ...\nOSError: [Errno 28] No space left on device"

    with pytest.raises(RunError, match=r"its disk is full: .* the same command goes on"):
        raise_in(tmp_path, Exception(text))
    for other in (ValueError("no such label"), RunError("the run takes 9 GB")):
        with pytest.raises(type(other), match=str(other)):
            raise_in(tmp_path, other)


def raise_in(folder: Path, error: Exception) -> None:
    """Of a run in this folder."""
    with told_if_full(folder):
        raise error


def test_files_of_several_names_count_once(tmp_path: Path) -> None:
    """A checkpoint that is kept for another trial takes no room of its own."""
    (tmp_path / "one").write_bytes(os.urandom(100_000))
    before = size_of(tmp_path)
    os.link(tmp_path / "one", tmp_path / "two")

    assert size_of(tmp_path) == before >= 100_000


def test_what_comes_of_a_full_disk_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its number, or, as libraries hide that, by the disk."""
    assert is_full(OSError(errno.ENOSPC, "No space left on device"), tmp_path)
    assert is_full(OSError(errno.EDQUOT, "Disk quota exceeded"), tmp_path)
    assert not is_full(OSError(errno.ENOENT, "No such file"), tmp_path)
    assert not is_full(RuntimeError("file write failed"), tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 10**12 - 5, 5))
    assert is_full(RuntimeError("PytorchStreamWriter failed writing file"), tmp_path)
    assert not is_full(ValueError("no such label"), tmp_path)


class Full:
    """A file on a full disk: writes a part, and then fails, until the reserve is gone."""

    def __init__(self, journal: Journal, reserve: Path) -> None:
        self._file, self._reserve = journal._file, reserve

    def write(self, line: bytes) -> int:
        """Write a part, or fail."""
        if not self._reserve.exists():
            return self._file.write(line)
        if len(line) > 20:
            return self._file.write(line[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    def truncate(self, size: int) -> int:
        """Cut off what follows."""
        return self._file.truncate(size)


def test_the_journal_has_room_for_its_last_lines(tmp_path: Path) -> None:
    """Nothing of a line that did not fit stays; the reserve is given up for it."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("begin", metric="accuracy")
    assert not journal.is_tight
    journal._file = Full(journal, tmp_path / ".reserve")  # type: ignore[assignment]

    journal.append("report", epoch=1)
    journal.append("report", epoch=2)

    assert journal.is_tight
    events = read_events(tmp_path / "journal.jsonl")
    assert [event.get("epoch") for event in events] == [None, 1, 2]
