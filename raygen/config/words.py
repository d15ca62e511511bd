"""How does a value, or what a key may hold, read in one line of plain words?"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo


def show(value: object) -> str:
    """Show a value as it looks in YAML, in 60 characters at most."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "a mapping" if value else "{}"
    if isinstance(value, (list, tuple)):
        scalars = all(isinstance(item, (bool, int, float, str)) for item in value)
        text = f"[{', '.join(show(item) for item in value[:20])}]" if scalars else "a list"
        return text if len(text) <= 60 else "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def did_you_mean(given: object, known: Iterable[str]) -> str:
    """Name the near miss, or nothing: ``did you mean `trials`?``."""
    names = {name.lower(): name for name in known}
    if not isinstance(given, str):
        return ""
    lowered = given.lower()
    tails = [name for name in names if name.rsplit("/")[-1] == lowered]
    near = tails or difflib.get_close_matches(lowered, names, n=1, cutoff=0.65)
    return f"did you mean `{names[near[0]]}`?" if near else ""


def listed(names: Iterable[object]) -> str:
    """Join names by commas."""
    return ", ".join(str(name) for name in names)


class Words:
    """Words for what a type holds, attached to it by ``Annotated``."""

    def __init__(self, text: str) -> None:
        self.text = text


def allowed(field: FieldInfo) -> str:
    """Say what a key may hold: ``a whole number of at least 1``."""
    return allowed_by(field.annotation, field.metadata)


def options(annotation: Any) -> tuple[str, ...]:
    """List the texts a closed set allows, beside others or none; empty when it is none."""
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(text for part in get_args(annotation) for text in options(part))
    return tuple(get_args(annotation)) if get_origin(annotation) is Literal else ()


def allowed_by(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """Say what a type holds, with the marks that come with it."""
    for mark in metadata:
        if isinstance(mark, Words):
            return mark.text
    if hasattr(annotation, "__metadata__"):
        return allowed_by(annotation.__origin__, [*_flat(annotation.__metadata__), *metadata])
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not types.NoneType]
        return " or ".join(allowed_by(part, metadata) for part in parts)
    if texts := options(annotation):
        return ("one of " if len(texts) > 1 else "") + listed(texts)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"a mapping with the keys {listed(annotation.model_fields)}"
    known = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    kind = known.get(annotation)
    if kind is None:
        kind = "a mapping" if get_origin(annotation) is dict else "a list"
    return kind + _bounds(metadata)


def _flat(metadata: Sequence[Any]) -> list[Any]:
    """Unpack ``Field(ge=1)`` inside ``Annotated`` into its marks."""
    return [
        mark
        for each in metadata
        for mark in (each.metadata if isinstance(each, FieldInfo) else (each,))
    ]


def _bounds(metadata: Sequence[Any]) -> str:
    words = {Ge: "of at least", Gt: "above", Le: "of at most"}
    marks = (
        (word, mark) for mark in metadata for kind, word in words.items() if type(mark) is kind
    )
    parts = [f"{word} {getattr(mark, type(mark).__name__.lower())}" for word, mark in marks]
    return "".join(f" {part}" for part in parts[:1]) + "".join(f" and {part}" for part in parts[1:])
