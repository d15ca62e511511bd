from __future__ import annotations

import pickle

import numpy as np
import pytest

from raygen.config.origin import Origin
from raygen.config.references import Reference, reference_of, resolve
from raygen.config.space import Choice, Condition, Float, Int, Parameter, Space
from raygen.config.training import TRAINING_SETTINGS, training_defaults
from raygen.errors import ConfigError

OPTIMIZER = Parameter("optimizer", Choice(("adamw", "sgd")), "training")
NESTEROV = Parameter(
    "nesterov", Choice((True, False)), "training", Condition("optimizer", ("sgd",))
)
LOOKAHEAD = Parameter("lookahead", Int(1, 3), "training", Condition("nesterov", (True,)))
DEPTH = Parameter("depth", Int(1, 4))
SPACE = Space("small", ({"dense": {"units": 8}},), {}, (OPTIMIZER, NESTEROV, LOOKAHEAD, DEPTH))


def test_draws_are_valid_and_hold_active_parameters_only() -> None:
    """A drawn candidate is valid, and has a conditional value exactly when its condition holds."""
    rng = np.random.default_rng(0)

    drawn = [SPACE.sample(rng) for _ in range(100)]

    for values in drawn:
        SPACE.validate(values)
        assert (values["optimizer"] == "sgd") == ("nesterov" in values)
        assert (values.get("nesterov") is True) == ("lookahead" in values)
    assert any("lookahead" in values for values in drawn)


def test_the_same_generator_draws_the_same() -> None:
    """Draws follow from the generator alone."""
    one, two = (SPACE.sample(np.random.default_rng(7)) for _ in range(2))

    assert one == two


def test_active_drops_whole_branches() -> None:
    """A value whose condition fails is dropped, and so are those that depend on it."""
    values = {"optimizer": "adamw", "nesterov": True, "lookahead": 2, "depth": 1}

    assert SPACE.active(values) == {"optimizer": "adamw", "depth": 1}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": "adamw"}, "parameters.depth: no value given"),
        ({"optimizer": "adamw", "depth": 9}, "parameters.depth: value 9 given; it must be a whole"),
        (
            {"optimizer": "adamw", "depth": 1, "nesterov": True},
            "parameters.nesterov: a value given",
        ),
        ({"optimizer": "adamw", "depth": 1, "width": 1}, "parameters.width: a value given"),
    ],
)
def test_other_values_are_refused(values: dict[str, int], message: str) -> None:
    """Missing, extra and outside values are told by name."""
    with pytest.raises(ConfigError) as caught:
        SPACE.validate(values)

    assert str(caught.value).startswith(message)


def test_size_counts_every_candidate_once() -> None:
    """The size is the number of different candidates, inactive values not counted."""
    rng = np.random.default_rng(0)
    different = {tuple(sorted(SPACE.sample(rng).items())) for _ in range(2000)}

    assert SPACE.size() == (1 + 1 + 3) * 4 == len(different)
    assert Space("open", (), {}, (Parameter("x", Float(0, 1)),)).size() is None
    assert Space("fixed", ()).size() == 1


def test_size_of_a_wide_parent_is_quick() -> None:
    """A condition on one of a billion values counts without listing them."""
    parent = Parameter("a", Int(1, 10**9))
    child = Parameter("b", Choice((1, 2, 3)), when=Condition("a", (5, 7)))

    assert Space("wide", (), {}, (parent, child)).size() == 10**9 - 2 + 2 * 3


def test_training_settings_prefer_the_tuned() -> None:
    """A setting is tuned, else fixed, else default, as it is beside an inactive reference."""
    rate = Parameter("rate", Float(0.01, 0.1))
    momentum = Parameter("m", Float(0.1, 0.2), when=Condition("optimizer", ("sgd",)))
    fixed = {"learning_rate": "$rate * 2", "schedule": "step", "momentum": "$m"}
    space = Space("s", (), fixed, (OPTIMIZER, rate, momentum))

    settings = space.training_settings({"optimizer": "adamw", "rate": 0.05})

    expected = {"optimizer": "adamw", "learning_rate": 0.1, "schedule": "step"}
    assert training_defaults() | expected == settings


def test_defaults_are_allowed() -> None:
    """Every training setting allows its own default."""
    assert all(each.allows(each.default) for each in TRAINING_SETTINGS.values())


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("$width", Reference("width")),
        ("$width * 2", Reference("width", 2)),
        ("$width*0.5", Reference("width", 0.5)),
        ("$w_1 * 1e-3", Reference("w_1", 1e-3)),
        ("width", None),
        ("$width + 1", None),
        ("2 * $width", None),
        ("$a * $b", None),
        ("$1", None),
        (3, None),
    ],
)
def test_references(text: object, reference: Reference | None) -> None:
    """`$name` and `$name * number` are the only expressions."""
    assert reference == reference_of(text)


def test_resolving_keeps_ints_whole() -> None:
    """A whole product of an int is an int; everything that is no reference stays as it is."""
    tree = {"a": ["$n", "$n * 2", "$n * 0.5", "$n * 0.3"], "b": {"c": "$r * 2"}, "d": "text"}

    resolved = resolve(tree, {"n": 4, "r": 0.25})

    assert resolved == {"a": (4, 8, 2, 1.2), "b": {"c": 0.5}, "d": "text"}
    assert [type(value) for value in resolved["a"]] == [int, int, int, float]


def test_spaces_travel_to_workers() -> None:
    """A space survives pickling."""
    assert pickle.loads(pickle.dumps(SPACE)) == SPACE


def test_origin_tells_the_nearest_known_line() -> None:
    """A key without a line of its own is told with that of its nearest parent."""
    origin = Origin("a.yaml", {"model": 3, "model.layers[2]": 7}, overrides=("search.trials",))

    assert origin.where("model.layers[2].conv") == "a.yaml:7: model.layers[2].conv"
    assert origin.where("model.layers[1]") == "a.yaml:3: model.layers[1]"
    assert origin.where("task") == "a.yaml: task"
    assert origin.where("") == "a.yaml"
    assert origin.where("search.trials") == "--set search.trials"
    assert origin.below("model").where("layers[2]") == "a.yaml:7: model.layers[2]"
