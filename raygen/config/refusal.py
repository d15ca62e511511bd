"""Which one line says what pydantic found wrong with a config?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from raygen.config.origin import Origin, join, readable
from raygen.config.schema import Experiment
from raygen.config.section import Conflict, format_duration, section_of
from raygen.config.words import allowed, allowed_by, did_you_mean, listed, options, show
from raygen.errors import ConfigError


def refusal(
    error: ValidationError, origin: Origin, root: type[BaseModel] = Experiment
) -> ConfigError:
    """Turn pydantic's list of errors into one line about the first that matters.

    Args:
        error: What pydantic raised.
        origin: Where the keys stand.
        root: What the document holds.
    """
    order = {"extra_forbidden": 0, "missing": 2}
    found = error.errors(include_url=False)
    first = min(found, key=lambda each: order.get(each["type"], 1))
    path, section, field, held = _locate(first["loc"], root)
    given = first.get("input")
    if first["type"] == "extra_forbidden":
        return _unknown_key(str(first["loc"][-1]), path, section, origin, root)
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, Conflict):
        where = origin.where(join(path, cause.key))
        return ConfigError(cause.problem, where=where, must=cause.must, remedy=cause.remedy)
    key = path.rpartition(".")[2]
    if field is None:
        return ConfigError(f"{show(given)} given", where=origin.where(path), must=first["msg"])
    if first["type"] == "missing":
        example = f"for example `{key}: {field.examples[0]}`" if field.examples else ""
        must = f"it must be {allowed(field)}"
        return ConfigError("missing", where=origin.where(path), must=must, remedy=example)
    if held is not None:
        must = f"it must be {allowed_by(held)}"
        remedy = f"quote it: '{show(given)}'" if type(given) in (int, float) else ""
        return ConfigError(
            f"{show(given)} given", where=origin.where(path), must=must, remedy=remedy
        )
    must = f"it must be {allowed(field)}"
    remedy = did_you_mean(given, options(field.annotation)) or _example(key, given, field)
    return ConfigError(f"{show(given)} given", where=origin.where(path), must=must, remedy=remedy)


def _locate(
    location: Sequence[str | int], root: type[BaseModel]
) -> tuple[str, type[BaseModel], FieldInfo | None, Any]:
    """Find the path, the section and the field of an error; pydantic's own marks are left out.

    Where the field is a mapping of names, and one of them has what it may not, that is the path,
    and what it may have comes last.
    """
    path, section, field, held = "", root, None, None
    below: type[BaseModel] | None = section
    for part in location:
        if below is not None and isinstance(part, str) and part in below.model_fields:
            section, field = below, below.model_fields[part]
            path = join(path, part)
            below = section_of(field.annotation)
        elif field is not None and held is None and get_origin(field.annotation) is dict:
            path, held = join(path, readable(str(part))), get_args(field.annotation)[1]
        elif isinstance(part, int):
            path = join(path, part)
    return path, below or section, field, held


def _unknown_key(
    key: str, path: str, section: type[BaseModel], origin: Origin, root: type[BaseModel]
) -> ConfigError:
    known = section.model_fields
    homes = _homes(key, root)  # a known key in the wrong place is worth more than a near miss
    remedy = f"write it as `{homes[0]}`" if homes else did_you_mean(key, known)
    return ConfigError(
        "unknown key",
        where=origin.where(join(path, readable(key))),
        must=f"it must be one of {listed(known)}",
        remedy=remedy,
    )


def _homes(key: str, root: type[BaseModel]) -> list[str]:
    """List the paths at which a key is known."""
    found: list[str] = []
    waiting: list[tuple[str, type[BaseModel]]] = [("", root)]
    while waiting:
        path, section = waiting.pop(0)
        for name, field in section.model_fields.items():
            if name == key:
                found.append(join(path, name))
            below = section_of(field.annotation)
            if below is not None:
                waiting.append((join(path, name), below))
    return found


def _example(key: str, given: object, field: FieldInfo) -> str:
    """Show what could be typed: the value in quotes, or the default."""
    if isinstance(given, (int, float)) and "a text" in allowed(field):
        return f"quote it: '{show(given)}'"
    default = field.get_default()
    if isinstance(default, float) and "duration" in allowed(field):
        default = format_duration(default)
    plain = isinstance(default, (int, float, str)) and default != ""
    text = default if isinstance(default, str) else show(default)
    return f"for example `{key}: {text}`" if plain else ""
