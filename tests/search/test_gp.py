"""The Gaussian process over candidates and epochs, and what it proposes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.stats import norm

from raygen.config.space import Choice, Condition, Float, Int, Parameter, Space
from raygen.search.gaussian_process import Kernel, Points, Posterior, log_expected_improvement
from raygen.search.kernel_fit import _Evidence, fit
from raygen.search.strategies.gp import GP
from raygen.search.strategies.seen import Seen, choose, rungs, standardised
from raygen.search.strategies.strategy import Terms

BOWL = Space(
    "bowl",
    (),
    parameters=(
        Parameter("a", Float(-5, 5)),
        Parameter("b", Float(1e-3, 1e3, log=True)),
        Parameter("kind", Choice(("x", "y", "z"))),
        Parameter("depth", Int(1, 4), when=Condition("kind", ("x", "y"))),
    ),
)
GROUP = np.array([0, 1, 1, 2])


def bowl(values: dict[str, Any], epoch: int = 27) -> float:
    """At most 0, which only kind x reaches; early epochs hide half of it."""
    a, b = values["a"] - 1, math.log10(values["b"]) + 1
    low = a * a / 5 + b * b + {"x": 0.0, "y": 1.0, "z": 3.0}[values["kind"]]
    low += 0.3 * abs(values.get("depth", 2) - 3)
    return -low * (0.5 + 0.5 * epoch / 27) - 2 / epoch


def points(count: int, rng: np.random.Generator) -> Points:
    """Some points, several of one trial among them."""
    return Points(
        features=rng.random((count, 4)),
        distance=rng.choice([0.0, 0.3, 0.7], count),
        trial=rng.integers(0, count // 2, count),
    )


def search(strategy: GP, count: int, *, first: int = 0, epochs: int = 27) -> list[dict[str, Any]]:
    """Propose and try one after the other; every third is stopped after 9 epochs, b > 500 fails."""
    tried = []
    for number in range(first, first + count):
        values = strategy.ask()
        assert values is not None
        tried.append(values)
        live(strategy, number, values, epochs)
    return tried


def live(strategy: GP, number: int, values: dict[str, Any], epochs: int = 27) -> None:
    """A candidate's whole life."""
    strategy.begin(number, values)
    last = 9 if number % 3 == 2 else epochs
    for epoch in range(1, last + 1):
        strategy.report(number, epoch, (bowl(values, epoch),))
    strategy.end(number, None if values["b"] > 500 else (bowl(values, last),))


def test_the_gradient_of_the_evidence_is_right() -> None:
    """It equals finite differences in every parameter."""
    rng = np.random.default_rng(0)
    some = points(30, rng)
    evidence = _Evidence(some, rng.standard_normal(30), GROUP)
    at = evidence.mean + 0.3 * rng.standard_normal(len(evidence.mean))

    numeric = approx_fprime(at, lambda where: evidence(where)[0], 1e-6)

    np.testing.assert_allclose(evidence(at)[1], numeric, rtol=1e-3, atol=1e-4)


def test_the_fit_finds_what_matters() -> None:
    """A parameter that moves the scores gets a shorter length than those that do not."""
    rng = np.random.default_rng(1)
    some = points(80, rng)
    scores = np.sin(6 * some.features[:, 3])
    lengths = fit(some, (scores - scores.mean()) / scores.std(), GROUP).lengths

    assert lengths[3] < 0.5 * min(lengths[0], lengths[1])
    assert lengths[1] == lengths[2]  # one parameter's columns


KERNEL = Kernel(lengths=np.ones(4), candidate=1.0, curve=0.5, common=1.0, trial=0.01, epoch=1e-4)


def test_what_was_seen_is_predicted() -> None:
    """A trial's last score comes back, and unseen places are less sure than seen ones."""
    rng = np.random.default_rng(2)
    features = rng.random((20, 4))
    some = Points(features=features, distance=np.zeros(20), trial=np.arange(20))
    scores = features @ [1.0, -1.0, 0.5, 0.0]
    posterior = Posterior(KERNEL, some, scores)

    mean, variance = posterior.of_trials(some)
    far = posterior.untried(features + 3)[1]

    np.testing.assert_allclose(mean, scores, atol=0.02)
    assert variance.max() < 0.01 < far.min()


def test_a_short_training_says_something_about_the_end() -> None:
    """A high score halfway raises the expected last score, but leaves it less sure than a last."""
    features = np.full((1, 4), 0.5)

    def seen(distance: float) -> tuple[float, float]:
        one = Points(features=features, distance=np.array([distance]), trial=np.array([0]))
        mean, variance = Posterior(KERNEL, one, np.array([1.0])).untried(features)
        return float(mean[0]), float(variance[0])

    assert 0.1 < seen(0.5)[0] < seen(0.0)[0]
    assert seen(0.0)[1] < seen(0.5)[1] < 2.0


def test_believing_shrinks_variances_alone() -> None:
    """Means stay where they are; what lies near a believed point becomes surer."""
    rng = np.random.default_rng(3)
    posterior = Posterior(KERNEL, points(20, rng), rng.standard_normal(20))
    features = rng.random((5, 4)) + 1
    pending = Points(features=features, distance=np.zeros(5), trial=np.arange(100, 105))
    mean, variance = posterior.untried(features)
    posterior.believe(pending)
    after, less = posterior.untried(features)

    np.testing.assert_allclose(after, mean, atol=1e-4)
    assert (less < 0.1 * variance).all()


@pytest.mark.parametrize("mean", [2.0, 0.0, -3.0, -4.9, -5.1, -8.0])
def test_the_log_of_the_expected_improvement(mean: float) -> None:
    """It is that of the integral, and still finite where the improvement itself is 0 in floats."""
    deviation, best = 0.7, 0.2
    exact = quad(
        lambda x: (x - best) * norm.pdf(x, mean, deviation) * 1e40, best, best + 8, epsabs=0
    )[0]
    found = log_expected_improvement(np.array([mean]), np.array([deviation]), best)[0]

    assert found == pytest.approx(math.log(exact) - 40 * math.log(10), abs=0.02)
    assert np.isfinite(log_expected_improvement(np.array([-1e4]), np.array([0.1]), 0.0)).all()


def test_it_beats_random_search() -> None:
    """After 20 candidates it is nearer to the best than random search is after 100."""
    ours = search(GP(Terms(space=BOWL, seed=1, max_epochs=27)), 20)
    theirs = [BOWL.sample(np.random.default_rng(seed)) for seed in range(100)]

    assert max(map(bowl, ours)) > max(map(bowl, theirs))


@pytest.mark.parametrize("after", [1, 6, 14])
def test_it_goes_on_after_a_restart(after: int) -> None:
    """A strategy that is told another one's trials proposes what that one would have proposed."""
    terms = Terms(space=BOWL, seed=4, max_epochs=27)
    first = GP(terms)
    tried = search(first, after)
    expected = search(first, 3, first=after)
    second = GP(terms)
    second.skip(after)
    for number, values in enumerate(tried):
        live(second, number, values)

    assert search(second, 3, first=after) == expected


def test_short_trainings_are_enough_to_begin_with() -> None:
    """Where all trials wait and none is over, it is guided once enough of them have a score."""
    strategy = GP(Terms(space=BOWL, max_epochs=27, seed=0))
    spread = GP(Terms(space=BOWL, max_epochs=27, seed=0))
    differ = []
    for number in range(14):
        values, unguided = strategy.ask(), spread.ask()
        assert values is not None
        differ.append(values != unguided)
        strategy.begin(number, values)
        strategy.report(number, 1, (bowl(values, 1),))
        spread.begin(number, values)

    assert differ == [False] * 12 + [True] * 2


def test_pending_candidates_are_known() -> None:
    """Sixteen that are proposed one after the other, none of them over, all differ."""
    strategy = GP(Terms(space=BOWL, seed=5, max_epochs=27, workers=16))
    search(strategy, 8)
    pending = []
    for number in range(8, 24):
        values = strategy.ask()
        assert values is not None
        strategy.begin(number, values)
        pending.append(values)
    spread = np.std([each["a"] for each in pending])

    assert len({tuple(each.items()) for each in pending}) == 16
    assert spread > 0.3


def test_refused_candidates_are_left_alone() -> None:
    """What is never begun is not proposed over and over, and at last anything is."""
    strategy = GP(Terms(space=BOWL, seed=6, max_epochs=27))
    search(strategy, 8)
    asked = [strategy.ask() for _ in range(20)]

    assert len({tuple(each.items()) for each in asked if each is not None}) == 20


@pytest.mark.parametrize("score", [None, (1.0,)], ids=["all fail", "all the same"])
def test_nothing_to_learn_from(score: tuple[float] | None) -> None:
    """While all candidates fail, or score the same, it goes on over the space evenly."""
    strategy = GP(Terms(space=BOWL, seed=7))
    places = []
    for number in range(16):
        values = strategy.ask()
        assert values is not None
        BOWL.validate(values)
        places.append(values["a"])
        strategy.begin(number, values)
        strategy.end(number, score)

    assert np.histogram(places, bins=4, range=(-5, 5))[0].tolist() == [4, 4, 4, 4]


def test_a_failed_region_is_avoided() -> None:
    """Where candidates fail, few more are proposed."""
    space = Space("s", (), parameters=(Parameter("x", Float(0, 1)), Parameter("y", Float(0, 1))))
    strategy = GP(Terms(space=space, seed=8))
    found = []
    for number in range(20):
        values = strategy.ask()
        assert values is not None
        found.append(float(values["x"]))
        strategy.begin(number, values)
        strategy.end(number, None if found[-1] > 0.5 else (found[-1] - float(values["y"]),))

    assert sum(x > 0.5 for x in found[8:]) <= 5


def test_the_number_of_points_is_bounded() -> None:
    """Of thousands of scores the best, the newest and some others are seen."""
    rng = np.random.default_rng(9)
    seen = Seen(np.arange(5000), np.full(5000, 3), rng.standard_normal(5000))
    chosen = choose(seen, 240, rng)

    assert len(chosen.trial) == 240
    assert seen.score.max() in chosen.score
    assert {*range(4940, 5000)} <= {*chosen.trial.tolist()}
    assert sum(number < 4940 for number in chosen.trial.tolist()) == 180


def test_standardised_scores() -> None:
    """They keep their order, one disastrous score does not flatten the others, and NaN is last."""
    score = np.array([0.7, 0.8, 0.9, -1e9, math.nan])
    seen = Seen(np.arange(5), np.ones(5, int), score)
    found = standardised(seen, seen)

    assert found[3] == found[4] < found[0] < found[1] < found[2]
    assert found[2] - found[0] > 0.1
    assert found[:4].mean() == pytest.approx(0, abs=1e-9)


def test_the_epochs_that_are_seen() -> None:
    """The last, and thirds of thirds of it."""
    assert sorted(rungs(52)) == [1, 2, 6, 18, 52]
    assert rungs(1) == {1}
