"""Is a file a program of the contract, and how is it dealt into other folds than its own?"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from raygen.errors import ConfigError
from raygen.fragments import Fragment
from raygen.source.candidate import Source
from raygen.source.literals import literal

_CONSTANTS = {"FOLDS": int, "SEED": int, "EPOCHS": int, "METRIC": str}
_FUNCTIONS = (
    *("load_data", "split", "build_model", "build_optimizer", "train", "predict", "evaluate"),
    *("save", "load"),
)
_ARGUMENTS = ("x", "y", "fold", "report", "resume")
"""That ``train`` is called with."""
_DEALS = "raygen.data.fragments"


@dataclass(frozen=True)
class Program:
    """A file with the names of docs/model-file.md; nothing of it was run."""

    file: str
    """As its user names it."""
    source: Source

    @cached_property
    def constants(self) -> dict[str, Any]:
        """Those of its head."""
        return self.source.constants

    @property
    def repeats(self) -> int:
        """How often it deals its rows."""
        return int(self.constants.get("REPEATS", 1))

    @property
    def folds(self) -> int:
        """Into how many folds it deals them each time."""
        return int(self.constants["FOLDS"]) // self.repeats

    def dealt(self, folds: int, repeats: int) -> Source:
        """The same program with other numbers of folds and repeats; itself where it has them.

        Raises:
            ConfigError: Its folds are no matter of a number.
        """
        if (folds, repeats) == (self.folds, self.repeats):
            return self.source
        if {"FOLD_ROWS", "ROLES"} & set(self.constants):
            of = "a column" if "FOLD_ROWS" in self.constants else "a function"
            raise ConfigError(
                f"{folds} folds wanted",
                where=self.file,
                must=f"its {self.folds} are those of {of}",
                remedy=f"type --folds {self.folds}",
            )
        text = self.source.text
        if repeats > 1 and "REPEATS" not in self.constants:
            once = Fragment.read(f"{_DEALS}.folds").functions["split"]
            if once not in text:
                raise ConfigError(
                    f"{repeats} repeats wanted",
                    where=self.file,
                    must="only a `split` as RayGen writes it can be dealt anew",
                    remedy="remove --repeats, or give the file REPEATS",
                )
            text = text.replace(once, Fragment.read(f"{_DEALS}.folds_repeated").functions["split"])
            return Source(_replaced(text, "FOLDS", f"{folds * repeats}\nREPEATS = {repeats}"))
        text = _replaced(text, "FOLDS", literal(folds * repeats))
        return Source(
            _replaced(text, "REPEATS", literal(repeats)) if "REPEATS" in self.constants else text
        )


def read_programs(files: Sequence[str], folder: Path) -> tuple[Program, ...]:
    """Read files that are to be compared, and check what their text tells.

    Raises:
        ConfigError: One of them cannot be read or is no program of the contract, one is named
            twice, or they score by different metrics.
    """
    programs = tuple(_read(file, folder) for file in files)
    for place, program in enumerate(programs):
        for other in programs[:place]:
            if program.source != other.source:
                continue
            same = (folder / program.file).resolve() == (folder / other.file).resolve()
            told = "named twice" if same else f"the very text of {other.file}"
            raise ConfigError(told, where=program.file, must="each is ranked once")
        first, metric = programs[0], program.constants["METRIC"]
        if metric != first.constants["METRIC"]:
            raise ConfigError(
                f"METRIC is {metric}, that of {first.file} is {first.constants['METRIC']}",
                where=program.file,
                must="all must be scored by the same",
                remedy="change one of them",
            )
    return programs


def _read(file: str, folder: Path) -> Program:
    try:
        source = Source((folder / file).read_bytes().decode())
        functions = {
            each.name: [arg.arg for arg in (*each.args.args, *each.args.kwonlyargs)]
            for each in ast.parse(source.text).body
            if isinstance(each, ast.FunctionDef)
        }
        constants = source.constants
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}",
            where=file,
            must="it must be a model.py as RayGen writes it",
        ) from None
    except UnicodeDecodeError:
        raise ConfigError("no text in UTF-8", where=file, must="it must be a Python file") from None
    except (SyntaxError, ValueError) as error:
        line = f"{file}:{error.lineno}" if isinstance(error, SyntaxError) else file
        told = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ConfigError(
            f"no Python: {told}", where=line, must="it must be a model.py as RayGen writes it"
        ) from None
    for name, kind in _CONSTANTS.items():
        if type(constants.get(name)) is not kind:
            given = f"{constants[name]!r}" if name in constants else "missing"
            word = {int: "a whole number", str: "a text"}[kind]
            raise ConfigError(
                given, where=f"{file}: {name}", must=f"it must be {word}", remedy=_SEE
            )
    for name in _FUNCTIONS:
        if name not in functions:
            must = f"a model.py has a function {name}"
            raise ConfigError(f"no function {name}", where=file, must=must, remedy=_SEE)
    if missing := [name for name in _ARGUMENTS if name not in functions["train"]]:
        must = f"it must be called with {', '.join(_ARGUMENTS)}"
        raise ConfigError(f"no {missing[0]}", where=f"{file}: train", must=must, remedy=_SEE)
    _check_numbers(file, constants)
    return Program(file, source)


def _check_numbers(file: str, constants: dict[str, Any]) -> None:
    repeats = constants.get("REPEATS", 1)
    if type(repeats) is not int or repeats < 1 or constants["FOLDS"] % repeats:
        must = "FOLDS must be a multiple of it"
        raise ConfigError(f"{repeats!r} given", where=f"{file}: REPEATS", must=must, remedy=_SEE)
    for name, least in (("FOLDS", 2 * repeats), ("EPOCHS", 1)):
        if constants[name] < least:
            must = f"it must be at least {least}"
            raise ConfigError(f"{constants[name]} given", where=f"{file}: {name}", must=must)


_SEE = "see docs/model-file.md"


def _replaced(text: str, name: str, value: str) -> str:
    """The text with another value of a constant, byte for byte the same around it."""
    lines = text.encode().splitlines(keepends=True)
    for node in ast.parse(text).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=known)], value=old) if known == name:
                pass
            case ast.AnnAssign(target=ast.Name(id=known), value=ast.expr() as old) if known == name:
                pass
            case _:
                continue
        start, end = old.lineno - 1, (old.end_lineno or old.lineno) - 1
        before, after = lines[start][: old.col_offset], lines[end][old.end_col_offset :]
        lines[start : end + 1] = [before + value.encode() + after]
        break
    return b"".join(lines).decode()
