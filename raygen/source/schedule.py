"""Which training settings may change while a network is trained, and which parameters set them?

They are the ones that a ``model.py`` looks up in its SCHEDULE at each epoch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from raygen.config.references import reference_of, texts
from raygen.config.space import Parameter, Space
from raygen.config.training import TRAINING_SETTINGS

SCHEDULED = (
    "learning_rate",
    "warmup_epochs",
    "weight_decay",
    "batch_size",
    "label_smoothing",
    "augmentation",
)
"""Settings that a SCHEDULE can hold; all others are written into the program once."""


def mutable_parameters(space: Space) -> tuple[Parameter, ...]:
    """The parameters that can change while a candidate of the space is being trained.

    A parameter that a layer uses cannot, be it as harmless as a dropout rate: it is a literal of
    ``build_model``, so a program with the new one would not replay the epochs before the change.
    Nor can the parent of a condition: other parameters come and go with it. A space without layers
    is of a user's own objective, which is given all values anew when it goes on.
    """
    named = (reference_of(text) for _, text in texts(space.layers))
    fixed = {reference.name for reference in named if reference is not None}
    fixed |= {each.when.parameter for each in space.parameters if each.when is not None}
    return tuple(
        parameter
        for parameter in space.parameters
        if parameter.changes == "training"
        and parameter.name not in fixed
        and (not space.layers or _is_scheduled(_settings_of(parameter.name, space)))
    )


def changed_settings(
    space: Space, before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, Any]:
    """What a SCHEDULE must say when a candidate's values change.

    Args:
        space: Both are of this space.
        before: Active values up to now.
        after: Active values from now on; they differ in mutable parameters alone.
    """
    if not space.layers:
        return {name: value for name, value in after.items() if value != before.get(name)}
    old, new = space.training_settings(before), space.training_settings(after)
    differ = {name: value for name, value in new.items() if value != old[name]}
    assert set(differ) <= set(SCHEDULED), "only mutable parameters may change"
    return differ


def _is_scheduled(settings: Collection[str]) -> bool:
    """Whether a parameter that sets these, and something at all, can change at an epoch."""
    return bool(settings) and set(settings) <= set(SCHEDULED)


def _settings_of(name: str, space: Space) -> list[str]:
    """The training settings that follow a parameter."""
    by_name = [name] if name in TRAINING_SETTINGS else []
    return by_name + [
        setting
        for setting, given in space.training.items()
        if (reference := reference_of(given)) is not None and reference.name == name
    ]
