"""The append-only record of a run: one JSON line an event, flushed, a torn last line dropped."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

from raygen.errors import RunError


class Journal:
    """Appends events to a file and reads them back.

    A process that is killed while it writes leaves a last line without its end; opening the
    journal again cuts that line off. Nothing else is ever changed or removed.
    """

    def __init__(self, path: Path) -> None:
        """Open a journal for appending, at first without anything in it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab+")
        self._file.seek(0)
        whole = self._file.read().rfind(b"\n") + 1
        self._file.truncate(whole)

    def append(self, event: str, **fields: Any) -> dict[str, Any]:
        """Write one event; returns it as it will be read back."""
        text = json.dumps(
            _plain({"event": event, "time": round(time.time(), 3)} | fields), ensure_ascii=False
        )
        self._file.write(text.encode() + b"\n")
        self._file.flush()
        line: dict[str, Any] = json.loads(text)
        return line

    def close(self) -> None:
        """Close the file; appending ends."""
        self._file.close()


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
        raise RunError(
            f"{line[:60]!r} is not an event",
            where=where,
            must="only RayGen may write a journal",
            remedy="remove the line, or type --run-dir OTHER",
        )
    return event


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
