"""Is the function of a user's own there, and what does it take? Read from its text, never run."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from raygen.config.words import did_you_mean, listed, show
from raygen.errors import ConfigError

_TAKES = ("report", "resume")
_EXAMPLE = "for example `def train(parameters, report, resume=None):`"


@dataclass(frozen=True, kw_only=True)
class UserFunction:
    """What can be seen of a function without running it."""

    file: str
    """Path below the folder of the task."""
    name: str
    takes: tuple[str, ...]
    """Which of ``report`` and ``resume`` it is to be given."""
    saves: bool
    """Whether it may give ``report`` something to save with."""
    imports: tuple[str, ...]
    """Modules that its file imports at the top level."""

    @property
    def can_resume(self) -> bool:
        """Whether it may save checkpoints and go on from them."""
        return self.saves and "resume" in self.takes


def read_function(objective: str, folder: Path, *, where: str) -> UserFunction:
    """Find a function and look at its signature.

    Args:
        objective: As the YAML has it: ``path/to/file.py:function``.
        folder: What the path counts from.
        where: The key of the YAML.

    Raises:
        ConfigError: There is no such file or function, it is not Python, or it cannot be called.
    """
    found = re.fullmatch(r"(.+\.py):([^\W\d]\w*)", objective)
    if found is None:
        must = "it must be path/to/file.py:function"
        remedy = "for example `objective: train.py:train`"
        raise ConfigError(f"{show(objective)} given", where=where, must=must, remedy=remedy)
    file, name = found.groups()
    tree = _parsed(folder / file, where)
    place = f"{file}:{{}}: "
    node = _definition(tree, name)
    if node is None:
        known = [each.name for each in tree.body if isinstance(each, ast.FunctionDef)]
        must = f"it defines {listed(known)}" if known else "it defines no function"
        raise ConfigError(
            f"{file} has no function {name!r}",
            where=where,
            must=must,
            remedy=did_you_mean(name, known),
        )
    imports = tuple(_imports(tree))
    if not isinstance(node, ast.FunctionDef):
        if isinstance(node, (ast.AsyncFunctionDef, ast.ClassDef)):
            given = f"{place.format(node.lineno)}{name} is no plain function"
            raise ConfigError(given, where=where, must="it must be one", remedy=_EXAMPLE)
        # imported or assigned: nothing is known of it but its name
        return UserFunction(file=file, name=name, takes=_TAKES, saves=True, imports=imports)
    problem = _cannot_be_called(node)
    if problem:
        must = "its arguments must be the parameters, then at most `report` and `resume`"
        given = f"{place.format(node.lineno)}{name}({ast.unparse(node.args)}) {problem}"
        raise ConfigError(given, where=where, must=must, remedy=_EXAMPLE)
    return UserFunction(
        file=file, name=name, takes=_taken(node.args), saves=_saves(node), imports=imports
    )


def _parsed(path: Path, where: str) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except OSError as error:
        told = "no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)
        remedy = "its path counts from the folder of the config, or from `folder`"
        raise ConfigError(f"{told}: {path}", where=where, remedy=remedy) from None
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        told = getattr(error, "msg", None) or str(error)
        must = "it must be a Python file"
        raise ConfigError(f"{path}:{line}: {told}", where=where, must=must) from None


def _definition(tree: ast.Module, name: str) -> ast.stmt | None:
    """The last statement at the top level that gives a name its meaning."""
    found: ast.stmt | None = None
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if node.name == name:
                found = node
            case ast.Assign(targets=targets) if any(
                isinstance(each, ast.Name) and each.id == name for each in targets
            ):
                found = node
            case ast.ImportFrom(names=names) if name in [
                each.asname or each.name for each in names
            ]:
                found = node
    return found


def _cannot_be_called(node: ast.FunctionDef) -> str:
    """Why it cannot be called with parameters, ``report`` and ``resume``; empty if it can."""
    args = node.args
    places = [*args.posonlyargs, *args.args]
    if not places and args.vararg is None:
        return "takes no parameters"
    if places and places[0].arg in _TAKES:
        return f"has {places[0].arg} in the place of the parameters"
    needed = places[1 : len(places) - len(args.defaults)]
    needed += [each for each, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if d is None]
    others = [each.arg for each in needed if each.arg not in _TAKES]
    if others:
        return f"needs {listed(others)} besides"
    by_place_only = [each.arg for each in args.posonlyargs[1:] if each.arg in _TAKES]
    return f"takes {by_place_only[0]} by place only" if by_place_only else ""


def _taken(args: ast.arguments) -> tuple[str, ...]:
    named = {each.arg for each in (*args.args, *args.kwonlyargs)}
    return tuple(name for name in _TAKES if name in named or args.kwarg is not None)


def _saves(node: ast.FunctionDef) -> bool:
    """Whether some call of ``report`` has a second argument, or others are handed ``report``."""
    calls = [
        each
        for each in ast.walk(node)
        if isinstance(each, ast.Call)
        and isinstance(each.func, ast.Name)
        and each.func.id == "report"
    ]
    if any(_has_second(call) for call in calls):
        return True
    uses = sum(isinstance(each, ast.Name) and each.id == "report" for each in ast.walk(node))
    return uses > len(calls) or node.args.kwarg is not None


def _has_second(call: ast.Call) -> bool:
    starred = any(isinstance(each, ast.Starred) for each in call.args)
    return (
        starred or len(call.args) > 1 or any(each.arg in ("save", None) for each in call.keywords)
    )


def _imports(tree: ast.Module) -> Sequence[str]:
    names: list[str] = []
    for node in tree.body:
        match node:
            case ast.Import(names=aliases):
                names += [alias.name for alias in aliases]
            case ast.ImportFrom(module=str(module), level=0):
                names.append(module)
    return names
