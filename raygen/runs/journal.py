"""The append-only record of a run: one JSON line an event, flushed, a torn last line dropped."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

from raygen.errors import RunError
from raygen.runs.paths import RunPaths

_RESERVE = 64_000
"""Bytes; a line has some hundreds."""


class Journal:
    """Appends events to a file and reads them back.

    A process that is killed while it writes leaves a last line without its end; opening the
    journal again cuts that line off. Nothing else is ever changed or removed.

    A file of the reserve lies beside it. When the disk is full, that is given up for the lines
    that are still to be written while the run comes to its end.
    """

    def __init__(self, path: Path) -> None:
        """Open a journal for appending, at first without anything in it.

        Raises:
            RunError: The disk is full.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._reserve = path, RunPaths(path.parent).reserve
        self.is_tight = False
        """Whether the reserve is used up, so that the run must end."""
        try:
            self._reserve.write_bytes(bytes(_RESERVE))
            self._file = path.open("ab+", buffering=0)
        except OSError as error:
            raise self._cannot_write(error) from None
        self._file.seek(0)
        self._size = self._file.read().rfind(b"\n") + 1
        self._file.truncate(self._size)

    def append(self, event: str, **fields: Any) -> dict[str, Any]:
        """Write one event; returns it as it will be read back.

        Raises:
            RunError: The disk is full, and so is the reserve.
        """
        text = json.dumps(
            _plain({"event": event, "time": round(time.time(), 3)} | fields), ensure_ascii=False
        )
        try:
            self._write(text.encode() + b"\n")
        except OSError as error:
            if self.is_tight:
                raise self._cannot_write(error) from None
            self.is_tight = True
            self._reserve.unlink(missing_ok=True)
            return self.append(event, **fields)
        line: dict[str, Any] = json.loads(text)
        return line

    def close(self) -> None:
        """Close the file; appending ends."""
        self._file.close()
        self._reserve.unlink(missing_ok=True)

    def _write(self, line: bytes) -> None:
        """Write a line as a whole, or nothing of it."""
        try:
            done = 0
            while done < len(line):
                done += self._file.write(line[done:])
        except OSError:
            self._file.truncate(self._size)
            raise
        self._size += len(line)

    def _cannot_write(self, error: OSError) -> RunError:
        return RunError(
            f"cannot be written: {error.strerror}",
            where=str(self._path),
            must="all that was done before is kept",
            remedy="make room, or give the right to write; the same command goes on",
        )


def read_events(path: Path) -> list[dict[str, Any]]:
    """Read all whole lines of a journal; an absent journal has none.

    Raises:
        RunError: A line in it is not an event.
    """
    if not path.exists():
        return []
    text = path.read_bytes()
    lines = text[: text.rfind(b"\n") + 1].splitlines()
    return [_event(line, f"{path}:{number}") for number, line in enumerate(lines, start=1)]


def _event(line: bytes, where: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict) or "event" not in event:
        raise not_an_event(f"{line[:60]!r} is not an event", where)
    return event


def not_an_event(told: str, where: str) -> RunError:
    """What to tell of a line that RayGen would not write."""
    return RunError(
        told,
        where=where,
        must="only RayGen may write a journal",
        remedy="remove the line, or type --run-dir OTHER",
    )


def _plain(value: Any) -> Any:
    """The value with what JSON has no word for (NaN, infinities) as text."""
    match value:
        case float() if not math.isfinite(value):
            return repr(value)
        case dict():
            return {key: _plain(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_plain(entry) for entry in value]
        case _:
            return value
