"""Where was this written: the file, the line and the key of every value of a YAML file.

``Origin("config.yaml", {"search.trials": 7}).where("search.trials")`` gives
``config.yaml:7: search.trials``, the opening of every error message about that value.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_PLAIN_KEY = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class Origin:
    """The file and the lines of the keys of one YAML document.

    Two origins always compare equal: where something was written is no part of what it says.
    """

    file: str = field(default="", compare=False)
    """As the user gave it."""
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)
    """Path of a key, for example ``model.layers[2].conv.filters``, to its line, from 1."""
    prefix: str = field(default="", compare=False)
    """Path below which the asked paths lie, for example ``model``."""
    overrides: tuple[str, ...] = field(default=(), compare=False)
    """Paths given on the command line by ``--set``."""

    def where(self, path: str) -> str:
        """Say where a key stands, with the line of its nearest known parent.

        Args:
            path: Below ``prefix``, for example ``layers[2].conv.filters``.
        """
        full = join(self.prefix, path)
        for parent in (full, *parents(full)):
            if parent in self.overrides:
                return f"--set {full}" if parent == full else f"--set {parent}: {full}"
        known = (self.lines[key] for key in (full, *parents(full)) if key in self.lines)
        line = next(known, None)
        place = self.file if line is None else f"{self.file}:{line}"
        return ": ".join(part for part in (place, full) if part)

    def below(self, path: str) -> Origin:
        """Give the same origin with paths counted from a deeper key."""
        return dataclasses.replace(self, prefix=join(self.prefix, path))


def join(path: str, key: str | int) -> str:
    """Append a key or an index to a path: ``model.layers``, 2 -> ``model.layers[2]``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if not key or not path:
        return path or key
    return f"{path}{key}" if key.startswith("[") else f"{path}.{key}"


def readable(key: str) -> str:
    """Give a key as it may stand in a path: plain, or quoted where it is not a plain word."""
    return key if _PLAIN_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=True)


def parents(path: str) -> list[str]:
    """List the paths above a path, the nearest first."""
    cuts = [match.start() for match in re.finditer(r"[.\[]", path)]
    return [path[:cut] for cut in reversed(cuts)]
