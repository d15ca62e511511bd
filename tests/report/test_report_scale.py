from __future__ import annotations

import math
from itertools import pairwise

import pytest

from raygen.config.space import Choice, Domain, Float, Int
from raygen.report.scale import number_text, place_of, shortened, ticks_of


@pytest.mark.parametrize(
    ("value", "domain", "place"),
    [
        (1e-3, Float(1e-5, 1e-1, log=True), 0.5),
        (64, Int(16, 256, log=True), 0.5),
        (3, Int(1, 5), 0.5),
        (7.0, Float(7.0, 7.0), 0.5),
        ("b", Choice(("a", "b")), 0.75),
        (1, Choice((True, 1)), 0.75),
        (0.0, Float(0.0, 2.0), 0.0),
    ],
)
def test_values_lie_where_their_domain_puts_them(
    value: object, domain: Domain, place: float
) -> None:
    """Logarithmic domains are spread by powers, options over equal parts."""
    assert place_of(value, domain) == pytest.approx(place)


@pytest.mark.parametrize("value", [None, "c", 9.0, True])
def test_what_is_not_in_the_domain_has_no_place(value: object) -> None:
    """Inactive parameters and values of another space are not drawn somewhere."""
    assert math.isnan(place_of(value, Float(2.0, 3.0)))


def test_an_axis_tells_its_ends_and_round_values() -> None:
    """The range can be read from the axis, and ticks do not crowd."""
    ticks = ticks_of(Float(1e-5, 1e-1, log=True), most=5)

    assert [text for _, text in ticks] == ["1e-5", "0.0001", "0.001", "0.01", "0.1"]
    texts = [text for _, text in ticks_of(Int(3, 1000), most=4)]
    assert (texts[0], texts[-1]) == ("3", "1000")


@pytest.mark.parametrize("most", [2, 4, 9])
@pytest.mark.parametrize(
    "domain",
    [Int(1, 10**9), Float(-1e-7, 1e-7), Float(0.3, 0.31), Int(2, 3, log=True), Int(1, 2)],
    ids=str,
)
def test_ticks_keep_their_distance(domain: Domain, most: int) -> None:
    """There are never more ticks than there is room for."""
    places = [at for at, _ in ticks_of(domain, most=most)]

    assert places[0] == 0
    assert len(places) <= most + 1
    assert all(b - a >= 0.79 / most for a, b in pairwise(places))


def test_many_options_share_the_room() -> None:
    """Options are left out or shortened rather than written over each other."""
    many = ticks_of(Choice(tuple(range(40))), most=8)
    long = ticks_of(Choice(("a" * 30, "b" * 30)), most=8, letters=20)

    assert [text for _, text in many] == ["0", "5", "10", "15", "20", "25", "30", "35"]
    assert [len(text) for _, text in long] == [10, 10]


def test_texts_keep_their_ends() -> None:
    """A shortened name still shows how it begins and ends."""
    assert shortened("encoder.block.heads", 11) == "encoder…ads"
    assert shortened("short", 5) == "short"
    assert [number_text(v) for v in (3.0, 1e-5, 2.5e8, 0.1234)] == ["3", "1e-5", "2.5e8", "0.123"]
