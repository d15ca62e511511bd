"""Reads an ordinary Python module as text that can be copied into a ``model.py``.

A fragment is a typed, linted module of the package. Its functions are copied word for word; its
module-level constants are sample values that the linked program replaces by literals.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Fragment:
    """The parts of one module that a linked program needs."""

    imports: tuple[str, ...]
    """Import statements, without ``__future__`` and without those of other fragments."""
    constants: Mapping[str, Any]
    """Module-level UPPER_CASE names with their sample values."""
    functions: Mapping[str, str]
    """Top-level functions and classes, name to source text."""

    @staticmethod
    @functools.cache
    def read(module: str) -> Fragment:
        """Read a module of the package without importing it.

        Args:
            module: Dotted name, for example ``raygen.data.fragments.npz``.
        """
        text = read_text(module)
        tree = ast.parse(text)
        constants, functions = {}, {}
        for node in tree.body:
            match node:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    functions[name] = _source_of(node, text)
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    constants[name] = ast.literal_eval(value)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    constants[name] = ast.literal_eval(value)
        return Fragment(imports_of(tree), constants, functions)


def imports_of(tree: ast.Module) -> tuple[str, ...]:
    """The import statements of a module, without ``__future__`` and without other fragments."""
    return tuple(
        ast.unparse(node)
        for node in tree.body
        if isinstance(node, ast.Import)
        or (
            isinstance(node, ast.ImportFrom)
            and not re.match("__future__|raygen", node.module or "")
        )
    )


def link(
    modules: Iterable[str],
    constants: Mapping[str, Any],
    *,
    begins: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Join fragments into one program: imports, constants, functions.

    Args:
        modules: Dotted names of fragments, in the order in which their functions shall stand.
        constants: Values for the fragments' constants; those not given keep their sample value.
        begins: By the name of a function, a line that it shall begin with.
    """
    fragments = [Fragment.read(module) for module in modules]
    values = {name: value for part in fragments for name, value in part.constants.items()}
    values |= {name: value for name, value in constants.items() if name in values}
    imports = merge_imports(line for part in fragments for line in part.imports)
    lines = [f"{name} = {value!r}" for name, value in values.items()]
    functions = [text for part in fragments for text in begun(part, begins).values()]
    head = "from __future__ import annotations\n\n" + imports
    return "\n\n\n".join([head + "\n\n" + "\n".join(lines), *functions]) + "\n"


def begun(fragment: Fragment, begins: Mapping[str, str]) -> dict[str, str]:
    """The functions of a fragment, some with a further line after their docstring."""
    functions = dict(fragment.functions)
    for name in begins.keys() & functions.keys():
        text = functions[name]
        [function] = ast.parse(text).body
        assert isinstance(function, ast.FunctionDef), "a line is for functions"
        end = function.body[0].end_lineno
        lines = text.splitlines()
        functions[name] = "\n".join([*lines[:end], f"    {begins[name]}", *lines[end:]])
    return functions


def read_text(module: str) -> str:
    """The source text of a module of the package, without importing it."""
    spec = importlib.util.find_spec(module)
    assert spec is not None, f"the package has no module {module}"
    assert spec.origin is not None, f"{module} is a package without a file"
    return Path(spec.origin).read_text(encoding="utf-8")


def merge_imports(statements: Iterable[str]) -> str:
    """Sort import statements as ruff's isort does: standard library first, plain before from."""
    names: dict[str, set[str]] = {}
    plain: set[str] = set()
    for statement in statements:
        match ast.parse(statement).body[0]:
            case ast.ImportFrom(module=str(module), names=imported):
                names.setdefault(module, set()).update(ast.unparse(alias) for alias in imported)
            case node:
                plain.add(ast.unparse(node))
    sections: dict[bool, list[tuple[bool, str, str]]] = {True: [], False: []}
    for line in plain:
        root = line.split()[1].split(".")[0]
        sections[root in sys.stdlib_module_names].append((False, line.split()[1].lower(), line))
    for module, imported_names in names.items():
        joined = ", ".join(sorted(imported_names, key=_isort_key))
        standard = module.split(".")[0] in sys.stdlib_module_names
        line = f"from {module} import {joined}"
        if len(line) > 100:
            names_below = joined.replace(", ", ",\n    ")
            line = f"from {module} import (\n    {names_below},\n)"
        sections[standard].append((True, module.lower(), line))
    blocks = ("\n".join(line for _, _, line in sorted(sections[key])) for key in (True, False))
    return "\n\n".join(block for block in blocks if block)


def _isort_key(name: str) -> tuple[int, str]:
    """CONSTANTS before Classes before functions, each by the alphabet."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, name


def _source_of(node: ast.FunctionDef | ast.ClassDef, text: str) -> str:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])
