"""What is to run on a cluster, whatever its kind?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from raygen.launch.environment import Packages


@dataclass(frozen=True, kw_only=True)
class Order:
    """A run that is to be submitted."""

    name: str
    """Of the run."""
    verb: Sequence[str]
    """Of the command line: generate --config, or finetune."""
    config: Path
    """The YAML file, by its full path."""
    overrides: Sequence[str]
    """``key.path=value`` each."""
    here: Path
    """Where it was typed."""
    run: Path
    """Folder of the run, by its full path."""
    output: Path
    """File for the winner, by its full path."""
    log: Path
    """For what the job prints, by its full path."""
    files: Sequence[tuple[str, str]] = ()
    """Keys of the config that name a file by a relative path, and the path from its folder on."""
    packages: Packages = field(default_factory=Packages)
    """What is to be installed for it."""

    def command(self, python: Sequence[str], config: str, run: str, output: str) -> list[str]:
        """The words that run it, with the paths that it has on the cluster."""
        words = [*python, "-m", "raygen", *self.verb, config, "--run-dir", run, "--output", output]
        return words + [word for each in self.overrides for word in ("--set", each)]
