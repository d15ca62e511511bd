"""Which arguments does a command of the user's own get? Split once, never seen by a shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raygen.config.space import Space
from raygen.config.words import did_you_mean, listed, show
from raygen.errors import ConfigError

_PLACE = re.compile(r"\{\{|\}\}|\{(\w+)\}")
_GIVEN = ("seed", "epochs", "checkpoint")
"""Placeholders that are no parameters."""
_LARGEST = 16 * 2**20
"""Bytes of a file of the command that is still taken for a part of the program."""


@dataclass(frozen=True)
class UserCommand:
    """The words of a command, with ``{name}`` where values go."""

    words: tuple[str, ...]

    @property
    def can_resume(self) -> bool:
        """Whether it is told of a folder to save in and go on from."""
        return any("checkpoint" in names_in(word) for word in self.words)

    def files(self, folder: Path) -> tuple[str, ...]:
        """The words that are files below a folder: the program, and what it is told to read."""
        return tuple(
            word
            for word in dict.fromkeys(self.words)
            if not Path(word).is_absolute() and _is_part(folder / word)
        )

    def words_for(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """The words for a candidate, without those of inactive parameters.

        Of ``--momentum {momentum}`` the option goes too.
        """
        kept: list[str] = []
        for word in self.words:
            inactive = [n for n in names_in(word) if n not in values and n not in _GIVEN]
            if not inactive:
                kept.append(word)
            elif word == f"{{{inactive[0]}}}" and kept and kept[-1].startswith("-"):
                kept.pop()
        return tuple(kept)


def read_command(command: str, space: Space, *, where: str) -> UserCommand:
    """Split a command into words and hold its placeholders against the parameters.

    Raises:
        ConfigError: It cannot be split, a placeholder is unknown, or a parameter is not used.
    """
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        must = "it must be words, quoted as for a shell"
        raise ConfigError(f"{error}: {show(command)} given", where=where, must=must) from None
    parameters = [each.name for each in space.parameters]
    if not words or names_in(words[0]):
        example = "for example `python train.py --lr {lr}`"
        must = "it must begin with the program to start"
        raise ConfigError(f"{show(command)} given", where=where, must=must, remedy=example)
    used = [name for word in words for name in names_in(word)]
    for name in used:
        if name not in parameters and name not in _GIVEN:
            raise ConfigError(
                f"{{{name}}} is not known",
                where=where,
                must=f"a placeholder must be one of {listed([*parameters, *_GIVEN])}",
                remedy=did_you_mean(name, parameters) or "write {{ for a brace",
            )
    for name in parameters:
        if name == "checkpoint":
            must = "{checkpoint} is the folder that the command saves in"
            where = space.origin.where(f"parameters.{name}")
            raise ConfigError("not a name for a parameter here", where=where, must=must)
        if name not in used:
            raise ConfigError(
                f"parameter {name} is not used",
                where=where,
                must=f"{{{name}}} must stand in the command",
                remedy=f"add `--{name} {{{name}}}`",
            )
    return UserCommand(words)


def names_in(word: str) -> list[str]:
    """The names of the placeholders of a word."""
    return [found[1] for found in _PLACE.finditer(word) if found[1] is not None]


def _is_part(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size <= _LARGEST
    except OSError:  # a word longer than a file name may be
        return False
