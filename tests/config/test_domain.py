from __future__ import annotations

import numpy as np
import pytest

from raygen.config.domain import Choice, Domain, Float, Int
from raygen.errors import ConfigError

DOMAINS = [
    Float(0.0, 0.5),
    Float(1e-5, 1e-1, log=True),
    Float(0.1, 0.9, step=0.2),
    Float(-2, 3),
    Float(0.5, 0.5),
    Int(1, 4),
    Int(16, 512, log=True),
    Int(3, 20, step=4),
    Choice((64, 128, 256)),
    Choice(("relu", "gelu")),
    Choice((True, False)),
]


@pytest.mark.parametrize("domain", DOMAINS, ids=repr)
def test_draws_lie_inside(domain: Domain) -> None:
    """Every draw is a plain Python value that the domain contains."""
    rng = np.random.default_rng(0)

    drawn = [domain.sample(rng) for _ in range(300)]

    assert all(domain.contains(value) for value in drawn)
    assert {type(value) for value in drawn} <= {bool, int, float, str}


@pytest.mark.parametrize("domain", DOMAINS, ids=repr)
def test_grid_lies_inside_and_never_repeats(domain: Domain) -> None:
    """A grid holds different values of the domain, all of a finite one that is not log."""
    grid = domain.grid(5)

    assert all(domain.contains(value) for value in grid)
    assert len(set(grid)) == len(grid)
    if domain.size is not None and not getattr(domain, "log", False):
        assert domain.size == len(grid)


@pytest.mark.parametrize("domain", [d for d in DOMAINS if (d.size or 99) < 20], ids=repr)
def test_draws_reach_every_value(domain: Domain) -> None:
    """A finite domain is drawn from end to end."""
    rng = np.random.default_rng(1)

    drawn = {domain.sample(rng) for _ in range(500)}

    assert set(domain.grid(5)) == drawn


def test_log_draws_are_even_over_decades() -> None:
    """On a log scale, half of the draws lie below the geometric middle."""
    rng = np.random.default_rng(2)

    floats = [Float(1e-4, 1.0, log=True).sample(rng) for _ in range(2000)]
    ints = [Int(1, 1024, log=True).sample(rng) for _ in range(2000)]

    assert np.mean(np.array(floats) < 1e-2) == pytest.approx(0.5, abs=0.05)
    assert np.mean(np.array(ints) < 27) == pytest.approx(0.5, abs=0.05)


def test_grid_spreads_in_scale() -> None:
    """A continuous grid runs from end to end, in equal ratios on a log scale."""
    assert Float(0.0, 1.0).grid(3) == (0.0, 0.5, 1.0)
    assert Float(1e-4, 1.0, log=True).grid(3) == pytest.approx((1e-4, 1e-2, 1.0))
    assert Float(0.0, 1.0).grid(1) == (0.5,)
    assert Int(16, 256, log=True).grid(5) == (16, 32, 64, 128, 256)


def test_steps_are_clean_decimals() -> None:
    """A step of 0.1 gives 0.3, not 0.30000000000000004."""
    assert Float(0.0, 0.5, step=0.1).grid(2) == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    assert Int(3, 20, step=4).grid(2) == (3, 7, 11, 15, 19)


@pytest.mark.parametrize(
    ("domain", "outside"),
    [
        (Float(0.0, 1.0), [-0.1, 1.1, True, "0.5", None, float("nan"), float("inf")]),
        (Float(0.0, 1.0, step=0.25), [0.3]),
        (Int(1, 4), [0, 5, 2.0, True, "2"]),
        (Int(1, 9, step=2), [2]),
        (Choice((0, 1)), [True, False, 2, "1"]),
        (Choice((True,)), [1]),
    ],
    ids=repr,
)
def test_others_lie_outside(domain: Domain, outside: list[object]) -> None:
    """Values beyond the bounds, between steps and of another type are not contained."""
    assert [value for value in outside if domain.contains(value)] == []


def test_sizes() -> None:
    """A continuous range has no size; others count their values."""
    assert Float(0.0, 1.0).size is None
    assert Float(0.0, 1.0, step=0.25).size == 5
    assert Int(3, 20, step=4).size == 5
    assert Choice(("a", "b")).size == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Float(1.0, 0.0), "[1.0, 0.0] given; low <= high must hold; write [0.0, 1.0]"),
        (
            lambda: Float(0.0, 1.0, log=True),
            "log: true with [0.0, 1.0] given; low > 0 must hold on a log scale; "
            "raise low or leave out log",
        ),
        (
            lambda: Float(0.1, 1.0, log=True, step=0.1),
            "log: true and a step given; a range must have one of them at most; "
            "leave out log or step",
        ),
        (lambda: Float(0.0, 1.0, step=0), "step 0 given; step must be a finite number above 0"),
        (lambda: Float(0.0, float("inf")), "inf given; both bounds must be finite numbers"),
        (lambda: Int(1, True), "True given; both bounds must be whole numbers"),
        (lambda: Choice(()), "no options given; a choice must have at least one option"),
        (
            lambda: Choice((1, 1.0)),
            "option 1.0 given twice; options must differ from each other",
        ),
    ],
)
def test_impossible_ranges_are_refused(make: object, message: str) -> None:
    """A domain that cannot be is refused where it is made, in one line."""
    with pytest.raises(ConfigError) as caught:
        make()  # type: ignore[operator]

    assert message == str(caught.value)
