"""Python literals laid out as a formatter would, so that values enter a program as text only."""

from __future__ import annotations

import ast
from typing import Any

from raygen.errors import SourceError

WIDTH = 100


def assignment(name: str, value: Any, *, annotation: str = "") -> str:
    """``NAME = value``, broken over lines where it does not fit into 100 columns."""
    target = f"{name}: {annotation} = " if annotation else f"{name} = "
    text = target + literal(value, column=len(target))
    if ast.literal_eval(text.split(" = ", 1)[1]) != value:
        raise SourceError(f"the value of {name} cannot be written as a literal")
    return text


def literal(value: Any, *, indent: int = 0, column: int = 0, tail: int = 0) -> str:
    """The literal of a value, at a column, with so many characters to follow on its last line."""
    flat = _flat(value)
    if (
        column + len(flat) + tail <= WIDTH
        or not isinstance(value, (list, tuple, dict))
        or not value
    ):
        return flat
    inner = " " * (indent + 4)
    opening, closing = {list: ("[", "]"), tuple: ("(", ")"), dict: ("{", "}")}[type(value)]
    lines = []
    for item in value.items() if isinstance(value, dict) else value:
        key, entry = (f"{_flat(item[0])}: ", item[1]) if isinstance(value, dict) else ("", item)
        text = literal(entry, indent=indent + 4, column=indent + 4 + len(key), tail=1)
        lines.append(f"{inner}{key}{text},")
    return "\n".join([opening, *lines, " " * indent + closing])


def _flat(value: Any) -> str:
    match value:
        case str():
            return _quoted(value)
        case list():
            return f"[{', '.join(map(_flat, value))}]"
        case tuple():
            return f"({', '.join(map(_flat, value))}{',' if len(value) == 1 else ''})"
        case dict():
            return (
                f"{{{', '.join(f'{_flat(key)}: {_flat(entry)}' for key, entry in value.items())}}}"
            )
        case _:
            return repr(value)


def _quoted(text: str) -> str:
    """The repr of a string in double quotes where that needs no more escapes."""
    plain = repr(text)
    if plain.startswith('"') or '"' in text:
        return plain
    return f'"{plain[1:-1]}"'
