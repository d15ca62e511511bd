"""What has a run said whose folder lies here?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from raygen.errors import RunError
from raygen.launch.job_state import JobState
from raygen.launch.ticket import Ticket
from raygen.runs.paths import RunPaths

_PAUSE_S = 1.0
_StateOf = Callable[[Ticket], JobState]
Logs = Callable[[Ticket, RunPaths, str | None, bool], Iterator[str]]
"""Of a run, or one of its trials, and whether to go on until the job is over."""


def local_logs(state_of: _StateOf) -> Logs:
    """What the files hold, and what they get until the job is over."""

    def logs(ticket: Ticket, paths: RunPaths, trial: str | None, follow: bool) -> Iterator[str]:
        return _grown(log_of(paths, trial), lambda: not follow or state_of(ticket).is_over)

    return logs


def log_of(paths: RunPaths, trial: str | None) -> Path:
    """The file of a run, or of one of its trials.

    Raises:
        RunError: There is no such trial.
    """
    log = paths.job_log if trial is None else paths.trial(trial).log
    if trial is not None and not log.exists():
        folder = paths.folder
        raise RunError(
            f"there is no trial {trial}", where=str(folder), remedy=f"type ls {folder}/trials"
        )
    return log


def _grown(log: Path, is_over: Callable[[], bool]) -> Iterator[str]:
    place = 0
    while True:
        over = is_over()
        if log.exists():
            with log.open(encoding="utf-8", errors="replace") as file:
                file.seek(place)
                yield file.read()
                place = file.tell()
        if over:
            return
        time.sleep(_PAUSE_S)
