"""Which parameters does a layer list name, and what do they stand for?

``$width`` and ``$width * 2`` are the only expressions; anything else in a layer list is data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from raygen.config.domain import Value, is_number
from raygen.config.origin import join, readable

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_REFERENCE = re.compile(rf"\$([A-Za-z_]\w*)(?:\s*\*\s*({_NUMBER}))?")


@dataclass(frozen=True)
class Reference:
    """A parameter named in a space, ``$name`` or ``$name * factor``."""

    name: str
    factor: int | float = 1

    def resolve(self, values: Mapping[str, Value]) -> Value:
        """Give the parameter's value, times the factor; a whole product of an int is an int.

        Raises:
            KeyError: The values do not hold the parameter.
        """
        value = values[self.name]
        if self.factor == 1:
            return value
        assert is_number(value), "a space with a factor on a text is refused when it is read"
        product = value * self.factor
        return int(product) if isinstance(value, int) and product == int(product) else product


def reference_of(value: object) -> Reference | None:
    """Read ``$name`` or ``$name * number``; None for anything else."""
    match = _REFERENCE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    name, factor = match[1], match[2] or "1"
    return Reference(name, int(factor) if re.fullmatch(r"[-+]?\d+", factor) else float(factor))


def resolve(tree: Any, values: Mapping[str, Value]) -> Any:
    """Replace every reference in nested mappings and lists by its value.

    Raises:
        KeyError: A reference names a parameter that the values do not hold.
    """
    if isinstance(tree, Mapping):
        return {key: resolve(value, values) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return tuple(resolve(value, values) for value in tree)
    reference = reference_of(tree)
    return tree if reference is None else reference.resolve(values)


def texts(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Walk over every text value in nested mappings and lists, with its path."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from texts(value, join(path, readable(str(key))))
    elif isinstance(tree, (list, tuple)):
        for index, value in enumerate(tree):
            yield from texts(value, join(path, index))
    elif isinstance(tree, str):
        yield path, tree
