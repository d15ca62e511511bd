"""What does a cluster say of a job?"""

from __future__ import annotations

from dataclasses import dataclass

BEGUN = "begun:"
"""Opens the line of a log after which nothing about the cluster can be wrong any more."""


@dataclass(frozen=True)
class JobState:
    """One answer."""

    word: str
    """For the user, such as running; gone if the cluster knows it no more."""
    waits: bool = False
    """Whether it has not begun."""
    why: str = ""
    """Why it waits or has failed, and what would change that."""
    is_over: bool = False
    """Whether nothing more will come."""
    said: str = ""
    """The last line of what it has printed, where its folder is not here."""

    def told(self) -> str:
        """For the user."""
        if self.waits:
            return f"waiting: {self.why or 'the cluster has not said why yet'}"
        return f"{self.word}: {self.why}" if self.why else self.word


def reason_in(log: str) -> str:
    """The line of a log that says why a job has failed: one of our own errors, or the last."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    own = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    return " ".join((own or lines)[-1:])[:500]
