"""Every way RayGen can fail, each with its exit code.

RaygenError                 1
├── ConfigError             2   the YAML, or a flag, does not say something that can be done
├── DataError               2   the data set is not there, or not as the YAML says
├── SourceError             2   the layers of a space cannot be built into a network
├── RunError                2   the run folder cannot be used
├── EnvironmentProblem      2   this machine lacks what the run needs
├── TrialError              3   the trials themselves failed
└── Interrupted             130 stopped by the user or the system; what was done is kept
"""

from __future__ import annotations


class RaygenError(Exception):
    """The root of all errors RayGen raises on purpose; prints as one line.

    Args:
        problem: What was given and why it cannot be.
        where: File, line and key, for example ``config.yaml:3: search.trials``.
        must: What must hold.
        remedy: What to type next.
    """

    exit_code = 1

    def __init__(self, problem: str, *, where: str = "", must: str = "", remedy: str = "") -> None:
        self.problem, self.where, self.must, self.remedy = problem, where, must, remedy
        told = "; ".join(part for part in (problem, must, remedy) if part)
        super().__init__(" ".join(f"{where}: {told}".split()) if where else " ".join(told.split()))


class ConfigError(RaygenError):
    """The YAML, or a flag, does not say something that can be done."""

    exit_code = 2


class DataError(RaygenError):
    """The data set is not there, or not as the YAML says."""

    exit_code = 2


class SourceError(RaygenError):
    """The layers of a space cannot be built into a network."""

    exit_code = 2


class RunError(RaygenError):
    """The run folder cannot be used."""

    exit_code = 2


class EnvironmentProblem(RaygenError):
    """This machine lacks what the run needs."""

    exit_code = 2


class TrialError(RaygenError):
    """The trials themselves failed."""

    exit_code = 3


class Interrupted(RaygenError):
    """Stopped by the user or the system; what was done is kept."""

    exit_code = 130
