"""What must hold of a candidate before it is trained?

``Constraint("width * depth <= 512").holds({"width": 64, "depth": 4})`` is true. The text is
arithmetic and comparisons only; it is read into a tree, and never run as code.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from raygen.config.words import did_you_mean, listed, show
from raygen.errors import ConfigError

_ARITHMETIC: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
_COMPARISONS: dict[type[ast.AST], Callable[..., bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "abs": abs}
_EXAMPLE = "for example `width * depth <= 512`"


@dataclass(frozen=True)
class Constraint:
    """A condition on the values of a candidate.

    Raises:
        ConfigError: The text is not a comparison of numbers, parameters and measures.
    """

    text: str

    def __post_init__(self) -> None:
        _check(self._tree, self.text)
        if not isinstance(self._tree, (ast.Compare, ast.BoolOp)) and not (
            isinstance(self._tree, ast.UnaryOp) and isinstance(self._tree.op, ast.Not)
        ):
            raise ConfigError(
                f"`{self.text}` given", must="it must be a comparison", remedy=_EXAMPLE
            )

    def __str__(self) -> str:
        return self.text

    @cached_property
    def names(self) -> frozenset[str]:
        """The parameters and measures it speaks of."""
        nodes = ast.walk(self._tree)
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        return frozenset(names - _FUNCTIONS.keys())

    def holds(self, known: Mapping[str, Any]) -> bool:
        """Tell whether it holds.

        Args:
            known: Values of the active parameters, and measures such as ``num_parameters``. Where
                a parameter is not active, the constraint says nothing and holds.
        """
        if not self.names <= known.keys():
            return True
        try:
            return bool(_value(self._tree, known))
        except (TypeError, ZeroDivisionError, OverflowError):
            return False

    @cached_property
    def _tree(self) -> ast.expr:
        try:
            return ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ConfigError(
                f"{show(self.text)} given", must="it must be a comparison", remedy=_EXAMPLE
            ) from None


def check_names(constraint: Constraint, known: Mapping[str, object], *, where: str) -> None:
    """Check that a constraint speaks only of what there is.

    Raises:
        ConfigError: A name in it is unknown.
    """
    for name in sorted(constraint.names - known.keys()):
        raise ConfigError(
            f"`{constraint}` names `{name}`",
            where=where,
            must=f"it must be one of {listed(known)}",
            remedy=did_you_mean(name, known),
        )


def _check(node: ast.AST, text: str) -> None:
    """Refuse all but the few kinds of nodes that ``_value`` knows."""
    match node:
        case ast.Constant(value=bool() | int() | float() | str()) | ast.Name():
            return
        case ast.UnaryOp(op=op, operand=below) if type(op) in _ARITHMETIC:
            parts: list[ast.expr] = [below]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            parts = [left, right]
        case ast.BoolOp(values=values):
            parts = values
        case ast.Compare(left=left, ops=ops, comparators=others) if all(
            type(op) in _COMPARISONS for op in ops
        ):
            parts = [left, *others]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if (
            name in _FUNCTIONS and args
        ):
            parts = args
        case _:
            must = "it may hold names, numbers, texts, + - * / // %, comparisons, and, or, not"
            raise ConfigError(f"{show(text)} given", must=f"{must}, min, max, abs")
    for part in parts:
        _check(part, text)


def _value(node: ast.expr, known: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return known[name]
        case ast.UnaryOp(op=op, operand=below):
            return _ARITHMETIC[type(op)](_value(below, known))
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](_value(left, known), _value(right, known))
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_value(each, known) for each in values)
        case ast.BoolOp(values=values):
            return any(_value(each, known) for each in values)
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [_value(each, known) for each in (left, *others)]
            pairs = zip(ops, sides[:-1], sides[1:], strict=True)
            return all(_COMPARISONS[type(op)](one, other) for op, one, other in pairs)
        case ast.Call(func=ast.Name(id=name), args=args):
            return _FUNCTIONS[name](*(_value(each, known) for each in args))
        case _:
            raise AssertionError("_check() has refused everything else")
