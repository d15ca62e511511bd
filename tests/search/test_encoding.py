"""The unit cube of a space: there and back again."""

from __future__ import annotations

import numpy as np
import pytest

from raygen.config.space import Choice, Condition, Float, Int, Parameter, Space
from raygen.search.encoding import Encoding

MIXED = Space(
    "mixed",
    (),
    parameters=(
        Parameter("optimizer", Choice(("adamw", "sgd", "lion"))),
        Parameter("momentum", Float(0.5, 0.9, step=0.1), when=Condition("optimizer", ("sgd",))),
        Parameter("nesterov", Choice((True, False)), when=Condition("momentum", (0.7, 0.9))),
        Parameter("learning_rate", Float(1e-5, 1e-1, log=True)),
        Parameter("dropout", Float(0.0, 0.5)),
        Parameter("depth", Int(1, 4)),
        Parameter("wide", Choice(("no", "yes")), when=Condition("depth", (2, 3))),
        Parameter("width", Int(16, 500, log=True)),
        Parameter("units", Int(8, 40, step=8)),
        Parameter("only", Float(0.25, 0.25)),
        Parameter("only_log", Float(0.25, 0.25, log=True)),
        Parameter("only_whole", Int(3, 3, log=True)),
        Parameter("lone", Choice(("x",))),
        Parameter("batch_size", Choice((64, 8, 32))),
        Parameter("flag", Choice((1, True, "1"))),
    ),
)
ENCODING = Encoding(MIXED)


def test_a_candidate_comes_back_from_its_position() -> None:
    """Values to position to values changes nothing but the last digits of a real number."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        values = MIXED.sample(rng)
        again = ENCODING.values(ENCODING.position(values))

        assert again == pytest.approx(values)
        assert [type(each) for each in again.values()] == [type(v) for v in values.values()]


def test_every_point_stands_for_a_candidate() -> None:
    """Snapped points of the cube, its corners included, are positions of valid candidates."""
    rng = np.random.default_rng(1)
    corners = np.stack([np.zeros(ENCODING.size), np.ones(ENCODING.size)])
    points = np.concatenate([corners, rng.random((300, ENCODING.size)) * 1.2 - 0.1])

    snapped = ENCODING.snap(points)

    for position in snapped:
        values = ENCODING.values(position)
        MIXED.validate(values)
        np.testing.assert_allclose(ENCODING.position(values), position, atol=1e-12)


def test_snapping_twice_is_snapping_once() -> None:
    """A candidate's position stands for itself."""
    snapped = ENCODING.snap(np.random.default_rng(2).random((300, ENCODING.size)))

    np.testing.assert_allclose(ENCODING.snap(snapped), snapped, atol=1e-12)


def test_what_is_not_active_makes_no_difference() -> None:
    """Points that differ in inactive parameters only have the same features."""
    points = np.random.default_rng(3).random((200, ENCODING.size))
    points[:, 0] = 0.1  # adamw: neither momentum nor what depends on it
    other = points.copy()
    other[:, 1:3] = 1 - other[:, 1:3]

    first, second = (ENCODING.features(ENCODING.snap(each)) for each in (points, other))

    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first, axis=0)) > 1


def test_options_without_order_are_equally_far_apart() -> None:
    """Any two of three options are at a distance of 1; ordered ones lie between 0 and 1."""
    space = Space("s", (), parameters=(Parameter("c", Choice(("a", "b", "c"))),))
    encoding = Encoding(space)
    features = encoding.features(np.stack([encoding.position({"c": each}) for each in "abc"]))
    apart = np.linalg.norm(features[:, None] - features[None], axis=2)

    np.testing.assert_allclose(apart, 1 - np.eye(3))


def test_numbers_among_options_are_ordered_by_size() -> None:
    """The options 64, 8 and 32 lie at 1, 0 and a half, whatever order they are written in."""
    space = Space("s", (), parameters=(Parameter("b", Choice((64, 8, 32))),))
    encoding = Encoding(space)
    found = [encoding.features(encoding.position({"b": each})[None]).item() for each in (64, 8, 32)]

    assert found == pytest.approx([1.0, 0.0, 0.5])


def test_each_value_of_a_stepped_range_has_the_same_share() -> None:
    """Points drawn evenly stand for each of the steps equally often."""
    space = Space("s", (), parameters=(Parameter("u", Int(8, 40, step=8)),))
    snapped = Encoding(space).snap(np.linspace(0, 1, 5001)[:-1, None])

    assert np.unique(snapped, return_counts=True)[1].tolist() == [1000] * 5
