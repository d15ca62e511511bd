"""The values a search has chosen, and the text of the program they become."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

Scalar = str | int | float | bool


@dataclass(frozen=True)
class Candidate:
    """One point of a search space: the values of its active parameters."""

    values: Mapping[str, Scalar]

    @cached_property
    def id(self) -> str:
        """Eight digits of the sha256 of the values' canonical JSON: equal values, equal id."""
        canonical = json.dumps(dict(self.values), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Source:
    """The text of a model.py."""

    text: str

    @cached_property
    def sha(self) -> str:
        """The sha256 of the text as UTF-8, which is that of the file."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def constants(self) -> dict[str, Any]:
        """The module-level UPPER_CASE literals, read back without running anything."""
        found: dict[str, Any] = {}
        for node in ast.parse(self.text).body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if name.isupper():
                    found |= _literal(name, value)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    found |= _literal(name, value)
        return found

    @cached_property
    def imports(self) -> tuple[str, ...]:
        """The modules it imports, in order."""
        found: list[str] = []
        for node in ast.parse(self.text).body:
            match node:
                case ast.Import(names=names):
                    found += [alias.name for alias in names]
                case ast.ImportFrom(module=str(module)) if module != "__future__":
                    found.append(module)
        return tuple(found)


def _literal(name: str, value: ast.expr) -> dict[str, Any]:
    try:
        return {name: ast.literal_eval(value)}
    except ValueError:  # computed from the environment, such as DEVICE
        return {}


def is_foreign(file: Path) -> bool:
    """Whether somebody else has written a file where a winner is to go."""
    if not file.is_file() or not file.stat().st_size:
        return False
    with file.open(encoding="utf-8", errors="replace") as text:
        return "found by RayGen" not in text.readline()
