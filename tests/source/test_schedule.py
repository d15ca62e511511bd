from __future__ import annotations

from typing import Any

import pytest

from raygen.config.space import Choice, Condition, Float, Int, Parameter, Space
from raygen.source.schedule import changed_settings, mutable_parameters

RATE = Parameter("learning_rate", Float(1e-4, 1e-1, log=True), changes="training")


def space(*parameters: Parameter, **training: Any) -> Space:
    """A small network with a dropout rate."""
    return Space("small", ({"dense": "$width * 2"}, {"dropout": "$rate"}), training, parameters)


def test_settings_of_the_schedule_can_change() -> None:
    """By their own name, or by the name of a parameter that they follow."""
    smoothing = Parameter("smooth", Float(0.0, 0.2), changes="training")
    small = space(RATE, smoothing, label_smoothing="$smooth")

    assert mutable_parameters(small) == (RATE, smoothing)


@pytest.mark.parametrize(
    "parameter",
    [
        Parameter("rate", Float(0.0, 0.5), changes="training"),
        Parameter("width", Int(1, 9), changes="training"),
        Parameter("optimizer", Choice(("sgd", "adam")), changes="training"),
        Parameter("momentum", Float(0.0, 0.9), changes="training"),
        Parameter("unused", Float(0.0, 0.9), changes="training"),
        Parameter("batch_size", Int(8, 64)),
    ],
)
def test_what_the_program_says_once_cannot_change(parameter: Parameter) -> None:
    """A literal of the program holds for all epochs; and architecture is architecture."""
    assert mutable_parameters(space(parameter)) == ()


def test_the_parent_of_a_condition_cannot_change() -> None:
    """Another value of it would bring other parameters to life in the middle of a training."""
    kind = Parameter("augmentation", Choice(("none", "shift")), changes="training")
    child = Parameter("rate", Float(0, 1), when=Condition("augmentation", ("shift",)))

    assert mutable_parameters(space(kind, child)) == ()


def test_only_what_is_changed_is_said() -> None:
    """The settings, not the parameters, and those alone that are others."""
    small = space(RATE, Parameter("decay", Float(0, 1), changes="training"), weight_decay="$decay")

    changed = changed_settings(
        small, {"learning_rate": 0.1, "decay": 0.5}, {"learning_rate": 0.1, "decay": 0.25}
    )

    assert changed == {"weight_decay": 0.25}


def test_nothing_else_may_change() -> None:
    """That would be a mistake of the scheduler, not of a user."""
    small = space(Parameter("momentum", Float(0.0, 0.9), changes="training"))

    with pytest.raises(AssertionError, match="only mutable parameters"):
        changed_settings(small, {"momentum": 0.5}, {"momentum": 0.6})
