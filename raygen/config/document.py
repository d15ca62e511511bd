"""What does a YAML file hold, and on which line does each key stand?

Plain data only: no tag builds an object. Scalars are read by the core schema of YAML 1.2, so
``1e-3`` is a number, ``no`` and ``2024-01-31`` are texts.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from raygen.config.origin import Origin, join, readable
from raygen.config.words import show
from raygen.errors import ConfigError

_MOST_NODES = 50_000
"""Far more than any honest file: an alias bomb ends here."""

_TAG = "tag:yaml.org,2002:"
_SCALARS = {
    "null": (r"~|null|Null|NULL|", "~nN"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9]+", "-+0123456789"),
    "float": (
        r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
}


class _Loader(yaml.SafeLoader):
    """Reads scalars by the rules of ``_SCALARS`` alone, not by those of YAML 1.1."""


_Loader.yaml_implicit_resolvers = {}


for _name, (_pattern, _first) in _SCALARS.items():
    _marks = [*_first, ""] if _name == "null" else list(_first)
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), _marks)


def read_document(path: str | Path) -> tuple[dict[str, Any], Origin]:
    """Read a YAML file that holds a mapping.

    Returns:
        Its plain data (dicts, lists, texts, numbers, bools, None) and where each key stands.

    Raises:
        ConfigError: The file is missing, not text, not YAML, holds a tag or a key twice.
    """
    file = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            "no such file",
            where=file,
            must="it must be a YAML file",
            remedy="`raygen init ImageClassification` writes one",
        ) from None
    except UnicodeDecodeError:
        raise ConfigError("not a text", where=file, must="it must be YAML in UTF-8") from None
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or str(error)
        raise ConfigError(told, where=file, must="it must be a readable file") from None
    return parse_document(text, file=file)


def parse_document(text: str, *, file: str) -> tuple[dict[str, Any], Origin]:
    """Read a YAML text that holds a mapping; as ``read_document``, ``file`` is only its name."""
    values, lines = _Reading(file).read(text)
    if not isinstance(values, dict):
        kind = "a list" if isinstance(values, list) else show(values)
        given = "empty" if values is None else f"{kind} given"
        raise ConfigError(given, where=file, must="it must hold `key: value` lines")
    return values, Origin(file, lines)


def parse_value(text: str, *, where: str) -> Any:
    """Read the YAML of one value given on the command line; ``where`` opens its errors."""
    return _Reading(where, numbered=False).read(text)[0]


class _Reading:
    """One walk over the nodes of a text, collecting lines."""

    def __init__(self, file: str, *, numbered: bool = True) -> None:
        self.file = file
        self.numbered = numbered
        self.lines: dict[str, int] = {}
        self.nodes = 0

    def read(self, text: str) -> tuple[Any, dict[str, int]]:
        try:
            node = yaml.compose(text, Loader=_Loader)
            return (None if node is None else self._build(node, "")), self.lines
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark and self.numbered else ""
            told = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
            raise ConfigError(f"not YAML: {told}", where=self.file + line) from None
        except RecursionError:
            raise ConfigError(
                "nested too deeply", where=self.file, must="a YAML alias must not hold itself"
            ) from None

    def _build(self, node: yaml.Node, path: str) -> Any:
        self.nodes += 1
        if self.nodes > _MOST_NODES:
            must = f"it must have at most {_MOST_NODES} values, aliases unfolded"
            raise ConfigError("too large", where=self.file, must=must)
        kind = node.tag.removeprefix(_TAG)
        match node:
            case yaml.MappingNode() if kind == "map":
                return self._mapping(node, path)
            case yaml.SequenceNode() if kind == "seq":
                return [self._item(item, path, index) for index, item in enumerate(node.value)]
            case yaml.ScalarNode() if kind in ("str", *_SCALARS):
                return self._scalar(node, kind, path)
        raise self._refusal(
            node,
            path,
            f"the tag {node.tag!r} given",
            "only plain YAML is read",
            "leave out the tag",
        )

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._build(key_node, path)
            if not isinstance(key, str):
                given = f"the key {key!r} given"
                raise self._refusal(key_node, path, given, "a key must be a text", "quote it")
            below = join(path, readable(key))
            line = key_node.start_mark.line + 1
            if key in values:
                told = f"given twice, first on line {self.lines[below]}"
                raise self._refusal(key_node, below, told, "a key must be given once", "remove one")
            self.lines[below] = line
            values[key] = self._build(value_node, below)
        return values

    def _item(self, node: yaml.Node, path: str, index: int) -> Any:
        below = join(path, index)
        self.lines[below] = node.start_mark.line + 1
        return self._build(node, below)

    def _scalar(self, node: yaml.ScalarNode, kind: str, path: str) -> Any:
        text = str(node.value)
        try:
            match kind:
                case "null":
                    return None
                case "bool":
                    return {"true": True, "false": False}[text.lower()]
                case "int":
                    return int(text)
                case "float":
                    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except (KeyError, ValueError):
            told = f"{text[:40]!r} given as !!{kind}"
            raise self._refusal(node, path, told, "the text must fit its tag") from None
        return text

    def _refusal(
        self, node: yaml.Node, path: str, problem: str, must: str, remedy: str = ""
    ) -> ConfigError:
        place = f"{self.file}:{node.start_mark.line + 1}" if self.numbered else self.file
        where = f"{place}: {path}" if path else place
        return ConfigError(problem, where=where, must=must, remedy=remedy)
