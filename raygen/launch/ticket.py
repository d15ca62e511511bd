"""Where was a run submitted to? Kept in its folder, so that any shell can ask for it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from raygen.errors import RunError
from raygen.runs.paths import RunPaths


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """What one needs to hear of a run that was submitted."""

    kind: str
    """Of the cluster: a key of ``LAUNCHERS``."""
    job: str
    """What the cluster calls it."""
    submitted: float
    """Seconds since 1970."""
    cluster: str = ""
    """Path of the cluster file, or its address."""
    run: str = ""
    """Folder of the run on the cluster, where it is not this one."""
    output: str = ""
    """Where the winner goes when it is fetched."""


def write_ticket(paths: RunPaths, ticket: Ticket) -> None:
    """Keep it in the folder of the run."""
    paths.ticket.parent.mkdir(parents=True, exist_ok=True)
    draft = paths.ticket.with_suffix(".part")
    draft.write_text(json.dumps(asdict(ticket)), encoding="utf-8")
    draft.replace(paths.ticket)


def read_ticket(run: Path) -> Ticket:
    """That of a run.

    Raises:
        RunError: There is none.
    """
    path = RunPaths(run).ticket
    try:
        return Ticket(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise RunError(
            "it was not submitted to a cluster" if run.is_dir() else "there is no run",
            where=str(run),
            must="it must be the folder of a run that raygen submit began",
            remedy="type raygen show RUN for one that ran here" if run.is_dir() else "type ls runs",
        ) from None
    except (ValueError, TypeError):
        raise RunError("cannot be read", where=str(path), remedy="submit the run again") from None
