from __future__ import annotations

import math

import pytest

from raygen.config.document import parse_document, parse_value
from raygen.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        ("-1.5e+2", -150.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("12", 12),
        ("010", 10),
        ("-3", -3),
        (".inf", math.inf),
        ("'1e-3'", "1e-3"),
        ("true", True),
        ("False", False),
        ("no", "no"),
        ("on", "on"),
        ("null", None),
        ("~", None),
        ("", None),
        ("2024-01-31", "2024-01-31"),
        ("1:30", "1:30"),
        ("30m", "30m"),
        ("$(rm -rf /)", "$(rm -rf /)"),
        ("__import__('os')", "__import__('os')"),
        ("!!str 12", "12"),
        ("[1, {a: b}]", [1, {"a": "b"}]),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    """Numbers with a power are numbers, dates and `no` are texts, and nothing is ever run."""
    read = parse_value(text, where="--set x")

    assert value == read
    assert type(value) is type(read)


def test_every_key_and_item_has_its_line() -> None:
    """Lines are known for keys and for items of lists, however they are written."""
    text = "a: 1\nb:\n  - c: 2\n    d: {e: 3}\n  - [4,\n     5]\n"

    values, origin = parse_document(text, file="x.yaml")

    assert values == {"a": 1, "b": [{"c": 2, "d": {"e": 3}}, [4, 5]]}
    expected = {"a": 1, "b": 2, "b[0]": 3, "b[0].c": 3, "b[0].d": 4, "b[0].d.e": 4, "b[1]": 5}
    assert expected | {"b[1][0]": 5, "b[1][1]": 6} == origin.lines


def test_aliases_are_unfolded() -> None:
    """An anchor may be used again."""
    assert parse_value("{a: &x [1], b: *x}", where="") == {"a": [1], "b": [1]}


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.yaml: empty; it must hold `key: value` lines"),
        ("- 1", "x.yaml: a list given; it must hold `key: value` lines"),
        ("hello", "x.yaml: 'hello' given; it must hold `key: value` lines"),
        (
            "a: 1\na: 2",
            "x.yaml:2: a: given twice, first on line 1; a key must be given once; remove one",
        ),
        (
            "a:\n  b: !!python/object/apply:os.system [ls]",
            "x.yaml:2: a.b: the tag 'tag:yaml.org,2002:python/object/apply:os.system' given; "
            "only plain YAML is read; leave out the tag",
        ),
        (
            "a: !thing 1",
            "x.yaml:1: a: the tag '!thing' given; only plain YAML is read; leave out the tag",
        ),
        ("a: !!int x", "x.yaml:1: a: 'x' given as !!int; the text must fit its tag"),
        ("1: 2", "x.yaml:1: the key 1 given; a key must be a text; quote it"),
        ("a: [1", "x.yaml:1: not YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\n\tb: 2", "x.yaml:2: not YAML: found character '\\t' that cannot start any token"),
        ("a: &x [*x]", "x.yaml: nested too deeply; a YAML alias must not hold itself"),
        ("[" * 1200, "x.yaml: nested too deeply; a YAML alias must not hold itself"),
        (BOMB, "x.yaml: too large; it must have at most 50000 values, aliases unfolded"),
        ("a: 1\n---\nb: 1", "x.yaml:2: not YAML: but found another document"),
    ],
    ids=lambda text: text[:20],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    """A text that is not plain YAML gets one line with the line at fault."""
    with pytest.raises(ConfigError) as caught:
        parse_document(text, file="x.yaml")

    assert message == str(caught.value)


def test_hostile_keys_cannot_forge_a_message() -> None:
    """Line breaks and terminal codes in keys and values come out escaped."""
    with pytest.raises(ConfigError) as caught:
        parse_document('"a\\nb\\e[31m": !x 1', file="x.yaml")

    assert str(caught.value).startswith('x.yaml:1: "a\\nb\\u001b[31m": the tag')
