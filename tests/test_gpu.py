"""What a GPU adds: the same program, trained there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from raygen.machine import count_gpus
from raygen.plan import plan_run
from raygen.source.candidate import Candidate
from raygen.source.render import render

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(count_gpus() == 0, reason="this machine has no GPU"),
]


def test_program_trains_on_the_gpu(tmp_path: Path) -> None:
    """A model.py uses the GPU that is there and scores about as well as on a CPU."""
    config = tmp_path / "config.yaml"
    config.write_text("task: {name: ImageClassification, dataset: {name: digits}}\n")
    blueprint = plan_run(config).blueprint
    first = {each.name: each.domain.grid(2)[0] for each in blueprint.space.parameters}
    model = tmp_path / "model.py"
    model.write_text(render(blueprint, Candidate(blueprint.space.active(first))).text)

    done = subprocess.run(
        [sys.executable, str(model)], check=True, capture_output=True, text=True, timeout=600
    )

    assert json.loads(done.stdout.splitlines()[-1])["test"]["accuracy"] > 0.9
