"""Does every row of the catalogue keep its promises?"""

from __future__ import annotations

from typing import Any

import pytest

from raygen.source.layers import LAYERS, Setting
from raygen.source.shapes import Shape, ShapeError

KINDS: dict[str, Shape] = {
    "image": Shape("image", (9, 12, 4)),
    "sequence": Shape("sequence", (16, 8)),
    "tokens": Shape("tokens", (16,)),
    "vector": Shape("vector", (10,)),
}
TAKES = {
    "conv": {"image", "sequence"},
    "separable_conv": {"image"},
    "norm": {"image", "sequence", "vector"},
    "activation": set(KINDS),
    "dropout": set(KINDS),
    "pool": {"image"},
    "global_pool": {"image", "sequence"},
    "flatten": set(KINDS),
    "dense": {"vector", "sequence"},
    "embedding": {"tokens"},
    "attention": {"sequence"},
}
_REQUIRED: dict[type, Any] = {int: 6, float: 0.25}


def _settings(layer: str) -> dict[str, Any]:
    """The defaults, and something where there is none."""
    rules = LAYERS[layer].settings
    return {
        name: _REQUIRED[rule.kind] if rule.default is None else rule.default
        for name, rule in rules.items()
    }


def _output(layer: str, kind: str, **changes: Any) -> Shape:
    return LAYERS[layer].output(KINDS[kind], _settings(layer) | changes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_takes_what_it_can_work_on(layer: str, kind: str) -> None:
    """Other shapes are refused by the layer's name, before any framework sees them."""
    if kind in TAKES[layer]:
        assert _output(layer, kind).size > 0
        return

    with pytest.raises(ShapeError, match=f"^{layer} is given"):
        _output(layer, kind)


@pytest.mark.parametrize("layer", LAYERS)
def test_defaults_are_allowed(layer: str) -> None:
    """What a layer is given when nothing is said is what could have been said."""
    rules = LAYERS[layer].settings

    complaints = {name: rule.complaint(_settings(layer)[name]) for name, rule in rules.items()}

    assert not any(complaints.values()), complaints


@pytest.mark.parametrize(
    ("layer", "kind", "changes", "expected"),
    [
        ("conv", "image", {"stride": 2}, (5, 6, 6)),
        ("conv", "image", {"stride": 5, "kernel": 1}, (2, 3, 6)),
        ("conv", "sequence", {}, (16, 6)),
        ("separable_conv", "image", {}, (9, 12, 6)),
        ("pool", "image", {"size": 4}, (2, 3, 4)),
        ("global_pool", "image", {}, (4,)),
        ("global_pool", "sequence", {}, (8,)),
        ("flatten", "image", {}, (432,)),
        ("dense", "sequence", {}, (16, 6)),
        ("embedding", "tokens", {}, (16, 6)),
        ("attention", "sequence", {}, (16, 8)),
    ],
)
def test_output_shapes(layer: str, kind: str, changes: Any, expected: tuple[int, ...]) -> None:
    """The shape that goes out is the one that both frameworks give."""
    assert _output(layer, kind, **changes).dims == expected


@pytest.mark.parametrize(
    ("layer", "kind", "expected"),
    [
        ("conv", "image", 3 * 3 * 4 * 6 + 6),
        ("conv", "sequence", 3 * 8 * 6 + 6),
        ("separable_conv", "image", 3 * 3 * 4 + 4 * 6 + 6),
        ("norm", "image", 2 * 4),
        ("dense", "vector", 10 * 6 + 6),
        ("attention", "sequence", 4 * (8 * 8 + 8)),
        ("dropout", "vector", 0),
    ],
)
def test_numbers_of_weights(layer: str, kind: str, expected: int) -> None:
    """Weights are counted without building anything."""
    assert LAYERS[layer].weights(KINDS[kind], _settings(layer)) == expected


@pytest.mark.parametrize(
    ("rule", "value", "complaint"),
    [
        (Setting(int, low=1), 1, ""),
        (Setting(int, low=1), 0, "must be at least 1"),
        (Setting(int), 1.0, "must be a whole number"),
        (Setting(int), True, "must be a whole number"),
        (Setting(float, high=0.95), 1, "must be at most 0.95"),
        (Setting(float), 1, ""),
        (Setting(float), "1", "must be a number"),
        (Setting(float, low=0.0, high=0.95), float("nan"), "must be a number"),
        (Setting(float), float("inf"), "must be a number"),
        (Setting(bool), 1, "must be true or false"),
        (Setting(bool), False, ""),
        (Setting(str, options=("a", "b")), "c", "must be one of a, b"),
        (Setting(str, options=("a", "b")), ["a"], "must be one of a, b"),
        (Setting(int, odd=True), 4, "must be odd"),
    ],
)
def test_what_a_setting_may_be(rule: Setting, value: object, complaint: str) -> None:
    """A value is fine, or told in words what it must be."""
    assert rule.complaint(value) == complaint


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("image", "an image of 9x12x4"),
        ("sequence", "a sequence of 16x8"),
        ("tokens", "16 tokens"),
        ("vector", "a vector of 10"),
    ],
)
def test_shapes_are_told_in_words(kind: str, told: str) -> None:
    """Error messages name shapes as people do."""
    assert str(KINDS[kind]) == told
