"""Can a candidate of every space that is shipped be trained, in both frameworks?"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blueprints import blueprint, draw_rows, load_program

from raygen.config.spaces import list_spaces
from raygen.source.candidate import Candidate
from raygen.source.frameworks import FRAMEWORKS
from raygen.source.render import render
from raygen.source.structure import count_parameters

_DATA = {"image": ("clothes",), "tabular": ("people", "wages"), "text": ("news",)}
"""By the first part of a space's name, the data sets of ``blueprints`` it is for."""
_CASES = [
    (space, name, framework)
    for space in list_spaces()
    for name in _DATA[space.split("/")[0]]
    for framework in FRAMEWORKS
    if framework == "torch" or name != "wages"  # seconds each: once is enough
]


def _weights(model: Any) -> list[np.ndarray]:
    """What training is to change, whichever the framework."""
    if hasattr(model, "trainable_weights"):
        return [weight.numpy() for weight in model.trainable_weights]
    return [weight.detach().numpy().copy() for weight in model.parameters()]


@pytest.mark.parametrize(("space", "name", "framework"), _CASES)
def test_a_candidate_of_the_space_is_trained_for_one_step(
    space: str, name: str, framework: str, tmp_path: Path
) -> None:
    """One step moves the weights, scores the held-out rows, and counts what was foretold."""
    plan = blueprint(name, space, framework, epochs=1)
    candidate = Candidate(plan.space.sample(np.random.default_rng(11)))
    file = tmp_path / "model.py"
    file.write_text(render(plan, candidate).text, encoding="utf-8")
    model = load_program(file)
    x, y = draw_rows(plan.spec, 30)  # 24 of them train: fewer than any space's batch_size

    network, _, metrics = model.train(x, y, 0, report=lambda metrics, save: None)

    before, after = _weights(model.build_model()), _weights(network)
    assert metrics["epoch"] == 1
    assert all(math.isfinite(score) for score in metrics.values())
    assert plan.metric in metrics
    assert all(np.isfinite(weight).all() for weight in after)
    assert any((old != new).any() for old, new in zip(before, after, strict=True))
    assert sum(weight.size for weight in after) == count_parameters(plan.structure(candidate))
