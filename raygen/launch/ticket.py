"""Where was a run submitted to? Kept in its folder, so that any shell can ask for it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from raygen.errors import RunError
from raygen.runs.paths import RunPaths

KINDS = ("slurm", "kuberay", "ray")
"""Those of ``LAUNCHERS``, which imports this module."""


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
        ticket = Ticket(**json.loads(path.read_text(encoding="utf-8")))
        texts = (ticket.job, ticket.cluster, ticket.run, ticket.output)
        if ticket.kind not in KINDS or not all(isinstance(each, str) for each in texts):
            raise ValueError(f"not written by write_ticket: {ticket}")
        return ticket
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(
            "it was not submitted to a cluster" if run.is_dir() else "there is no run",
            where=str(run),
            must="it must be the folder of a run that raygen submit began",
            remedy="type raygen show RUN for one that ran here" if run.is_dir() else "type ls runs",
        ) from None
    except (OSError, ValueError, TypeError) as error:
        told = f": {error.strerror}" if isinstance(error, OSError) else ", for it is damaged"
        raise RunError(
            f"cannot be read{told}",
            where=str(path),
            remedy="remove it, and submit the run again once its job is over",
        ) from None
