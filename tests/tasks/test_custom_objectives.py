from __future__ import annotations

import pytest

from raygen.errors import ConfigError
from raygen.tasks.custom import custom_objectives


def where(path: str) -> str:
    """As an origin tells it."""
    return f"c.yaml:1: {path}"


@pytest.mark.parametrize(
    ("metric", "mode"),
    [
        ("loss", "min"),
        ("val_loss", "min"),
        ("test/Error", "min"),
        ("rmse", "min"),
        ("accuracy", "max"),
        ("num_parameters", "min"),
        ("validation-latency", "min"),
    ],
)
def test_names_without_doubt_need_no_mode(metric: str, mode: str) -> None:
    """The last word of a name tells, and RayGen knows its own metrics."""
    (objective,) = custom_objectives([metric], (), where=where)

    assert (objective.name, objective.mode) == (metric, mode)


@pytest.mark.parametrize("metric", ["reward", "lossless_ratio", "x", "glossy"])
def test_other_names_need_one(metric: str) -> None:
    """No guess is made."""
    with pytest.raises(ConfigError, match=r"c.yaml:1: task.mode: missing; .* write `mode: max`"):
        custom_objectives([metric], (), where=where)

    assert custom_objectives([metric], ("max",), where=where)[0].mode == "max"


@pytest.mark.parametrize("metrics", [["seconds"], ["loss", "epoch"], ["loss", "loss"], []])
def test_what_is_no_score_is_refused(metrics: list[str]) -> None:
    """Time alone, the epoch, the same twice, nothing at all."""
    with pytest.raises(ConfigError, match=r"task\.metric"):
        custom_objectives(metrics, (), where=where)
