"""What has every section of a config? A base, the types of its values, and what it refuses."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from raygen.config.words import Words
from raygen.uris import is_uri, secret_in, without_secret


class Conflict(ValueError):
    """Two keys, or a key and its value, do not go together."""

    def __init__(self, key: str, problem: str, must: str, remedy: str = "") -> None:
        self.key, self.problem, self.must, self.remedy = key, problem, must, remedy
        super().__init__(problem)


def parse_duration(value: object) -> object:
    """Turn ``30m``, ``90s``, ``2h`` or a number of seconds into seconds; leave others alone."""
    match = (
        re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", value) if isinstance(value, str) else None
    )
    return number(value) if match is None else float(match[1]) * _UNITS[match[2]]


def format_duration(seconds: float) -> str:
    """Turn seconds into the shortest text with whole units: 1800 -> ``30m``."""
    for unit in ("h", "m"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:.0f}{unit}"
    return f"{int(seconds) if seconds == int(seconds) else seconds}s"


def number(value: object) -> object:
    """Turn a text such as ``1e-3``, which most YAML readers leave a text, into a number."""
    is_power = isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value)
    return float(str(value)) if is_power else value


def freeze(value: Any) -> Any:
    """Turn the lists in nested plain data into tuples."""
    if isinstance(value, dict):
        return {key: freeze(item) for key, item in value.items()}
    return tuple(freeze(item) for item in value) if isinstance(value, (list, tuple)) else value


def listed_once(value: Any) -> Any:
    """Take a single text or mapping as a list of one."""
    if isinstance(value, (str, dict)):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
Text: TypeAlias = Annotated[str, Field(min_length=1)]
Number: TypeAlias = Annotated[float, BeforeValidator(number), Field(allow_inf_nan=False)]
Duration: TypeAlias = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    Field(gt=0, allow_inf_nan=False),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*[smhd]\s*$"},
            ]
        }
    ),
    Words("a duration such as 30m, 90s or 2h, or a number of seconds above 0"),
]
Columns: TypeAlias = Annotated[
    tuple[Text, ...], BeforeValidator(freeze), Words("a list of column names")
]
OwnSplit: TypeAlias = Annotated[
    str, Field(pattern=r"\.py:[A-Za-z_]\w*$"), Words("a function such as my_splits.py:split")
]
Conditions: TypeAlias = Annotated[
    tuple[Text, ...], BeforeValidator(freeze), Words("a list of conditions such as `width <= 64`")
]
Known: TypeAlias = Annotated[
    tuple[Text | dict[str, Any], ...],
    BeforeValidator(listed_once),
    Words("a list of folders, storages and mappings of values"),
]
Files: TypeAlias = Annotated[
    tuple[Text, ...],
    Field(min_length=1),
    BeforeValidator(freeze),
    Words("a list of paths of model.py files"),
]
Metrics: TypeAlias = Annotated[
    Text | tuple[Text, ...], BeforeValidator(freeze), Words("a name or a list of names")
]
Mode: TypeAlias = Literal["max", "min"]
Modes: TypeAlias = Annotated[
    Mode | tuple[Mode, ...], BeforeValidator(freeze), Words("max or min, or a list of them")
]
Layers: TypeAlias = Annotated[tuple[Any, ...], BeforeValidator(freeze), Words("a list of layers")]
Values: TypeAlias = Annotated[dict[str, Any], BeforeValidator(freeze)]
AtLeastOne: TypeAlias = Annotated[int, Field(ge=1)]
Workers: TypeAlias = Annotated[
    AtLeastOne | tuple[AtLeastOne, AtLeastOne],
    BeforeValidator(freeze),
    Words("a whole number of at least 1, or a list of the fewest and the most"),
]


class Section(BaseModel):
    """A mapping of the YAML: no key but the known ones, no silent change of type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


def section_of(annotation: Any) -> type[Section] | None:
    """Give the section that a key holds, which may also be left out; None if it holds none."""
    kinds = (annotation, *get_args(annotation))
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, Section)), None)


def refuse_secret(key: str, uri: str | None) -> None:
    """Refuse a URI that whoever reads the config, a program or a log could use."""
    if uri is not None and is_uri(uri) and (secret := secret_in(uri)):
        raise Conflict(
            key,
            f"a URI with {secret} given",
            "credentials must come from the environment, or from the files of the store's tools",
            f"write {without_secret(uri)}",
        )
