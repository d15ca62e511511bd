"""What does a program define at its top level, what does each definition use, under which names?"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True)
class Definition:
    """A statement at the top level, imports apart."""

    text: str
    names: tuple[str, ...]
    """That it defines; none of one that only does something."""
    uses: frozenset[str]
    """Names that it takes from the top level, its own included."""

    @property
    def key(self) -> tuple[str, ...]:
        """What two programs have in common if both have it, be its text the same or not."""
        return self.names or (self.text,)

    @property
    def is_function(self) -> bool:
        """Whether it is a function or a class."""
        return isinstance(ast.parse(self.text).body[0], _DEFINITIONS)

    def renamed(self, names: Collection[str], suffix: str) -> str:
        """Its text with a suffix to some of the top level's names."""
        [node] = ast.parse(self.text).body
        places = [(n.lineno, n.end_col_offset) for n in _globals(node) if n.id in names]
        lines = self.text.splitlines()
        if isinstance(node, _DEFINITIONS) and node.name in names:
            named = lines[node.lineno - 1]
            at = named.index(node.name, node.col_offset)
            places.append((node.lineno, len(named[: at + len(node.name)].encode())))
        for number, end in sorted(places, reverse=True):  # in bytes, as the tree counts them
            line = lines[number - 1].encode()
            lines[number - 1] = (line[:end] + suffix.encode() + line[end:]).decode()
        return "\n".join(lines)


def definitions_of(text: str) -> list[Definition]:
    """All statements at the top level of a program but its docstring, its imports and its end."""
    tree, lines = ast.parse(text), text.splitlines()
    found = []
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)) or _is_docstring(node) or _is_end(node):
            continue
        decorated = [each.lineno for each in getattr(node, "decorator_list", ())]
        source = "\n".join(lines[min([node.lineno, *decorated]) - 1 : node.end_lineno])
        found.append(Definition(source, _defined(node), frozenset(n.id for n in _globals(node))))
    return found


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_end(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def _defined(node: ast.stmt) -> tuple[str, ...]:
    if isinstance(node, _DEFINITIONS):
        return (node.name,)
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        return tuple(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and _is_stored(n))
    return ()


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _globals(node: ast.AST, local: frozenset[str] = frozenset()) -> Iterator[ast.Name]:
    """The names that are not those of a function's arguments and variables."""
    if isinstance(node, ast.Name):
        if node.id not in local:
            yield node
        return
    if isinstance(node, _SCOPES):
        for outside in _outside(node):
            yield from _globals(outside, local)
        local = local | _own(node)
        body = node.body if isinstance(node.body, list) else [node.body]
        for statement in body:
            yield from _globals(statement, local)
        return
    for child in ast.iter_child_nodes(node):
        yield from _globals(child, local)


def _outside(node: ast.AST) -> list[ast.AST]:
    """What of a function is evaluated where it is defined."""
    arguments: ast.arguments = node.args  # type: ignore[attr-defined]  # one of _SCOPES
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
    found: list[ast.AST] = [each.annotation for each in every if each.annotation is not None]
    found += [each for each in (*arguments.defaults, *arguments.kw_defaults) if each is not None]
    found += getattr(node, "decorator_list", [])
    return found + [each for each in (getattr(node, "returns", None),) if each is not None]


def _own(node: ast.AST) -> frozenset[str]:
    """The names that are a function's own."""
    found = set()
    for each in ast.walk(node):
        if isinstance(each, ast.arg):
            found.add(each.arg)
        elif isinstance(each, ast.Name) and _is_stored(each):
            found.add(each.id)
        elif isinstance(each, (*_DEFINITIONS, ast.ExceptHandler)) and each is not node:
            found |= {each.name} if each.name else set()
        elif isinstance(each, ast.Global):
            found -= set(each.names)
    return frozenset(found)
