"""Are texts that belong together put side by side, so that one finds the other?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_methods import run
from test_program_text import lint
from tiny import WORDS, planned, program_of, write_config

from raygen.errors import RaygenError
from raygen.finetune.fragments.embeddings import retrieval_scores
from raygen.source.candidate import Candidate


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Rows of two words, and the same words in another order with others between."""
    rng = np.random.default_rng(0)
    chosen = [rng.choice(WORDS[:6], 2, replace=False) for _ in range(90)]
    frame = pd.DataFrame(
        {
            "question": [f"{a} {b}" for a, b in chosen],
            "answer": [f"the {b} was a {a}" for a, b in chosen],
            "worse": [f"the {b} was a {b}" for a, b in chosen],
        }
    )
    frame.to_parquet(tmp_path / "pairs.parquet")
    return tmp_path / "pairs.parquet"


def config_of(path: Path, model: Path, *, epochs: int = 2, **more: Any) -> Path:
    """A config of an embedding."""
    data, training = more.pop("dataset", {}), more.pop("training", {})
    task = {"name": "Embedding", "dataset": {"path": str(path), **data}}
    settings = {"learning_rate": 3e-3, "batch_size": 12, **training}
    given = {"pretrained": str(model), "method": "full", "training": settings}
    search = {"max_epochs": epochs}
    return write_config(path.parent, model, task=task, model=given, search=search, **more)


def test_pairs_find_each_other(pairs: Path, model: Path) -> None:
    """The emitted program ranks the right answers higher, and prints vectors of length 1."""
    blueprint = planned(config_of(pairs, model, epochs=6))
    path = pairs.parent / "emitted.py"
    path.write_text(blueprint.render(Candidate({})).text, encoding="utf-8")
    program, arrays = program_of(blueprint, pairs.parent), blueprint.load_arrays()
    x, y = arrays["x_test"], arrays["y_test"]

    before = program.evaluate(program.build_model(), x, y, {})
    test = json.loads(run(path).splitlines()[-1])["test"]
    told = run(path, "--predict", str(pairs)).splitlines()

    assert test["mrr"] > before["mrr"] + 0.1
    assert len(told) == 90
    assert np.linalg.norm(json.loads(told[0])["vector"]) == pytest.approx(1, abs=1e-3)
    assert lint(blueprint, pairs.parent) == ""


def test_loss_is_that_of_every_other_row(pairs: Path, model: Path) -> None:
    """Each anchor is held against the positives and the negatives of all rows of its batch."""
    import torch

    named = {"dataset": {"negative": "worse"}}
    blueprint = planned(config_of(pairs, model, **named))
    program, x = program_of(blueprint, pairs.parent), blueprint.load_arrays()["x"][:5]
    network = program.build_model().eval()

    with torch.no_grad():
        loss = program.loss_sum(network, program.to_batch(x), torch.zeros(5), {}).item()
    anchors, positives, negatives = program.predict(network, x, {}).transpose(1, 0, 2)
    logits = anchors @ np.concatenate([positives, negatives]).T / 0.05
    expected = np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)

    assert x.shape[1] == 3
    assert loss == pytest.approx(expected.sum(), rel=1e-4)


def test_scores_are_those_of_ranks() -> None:
    """A positive that is found first, second and third gives 1, 1/2 and 1/3."""
    positives = np.eye(3)
    anchors = np.array([[3, 2, 1], [3, 2, 1], [3, 2, 1]])

    scores = retrieval_scores(np.stack([anchors, positives], axis=1))

    assert scores == {"recall_at_1": pytest.approx(1 / 3), "mrr": pytest.approx(11 / 18)}


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"training": {"micro_batch": 4}}, "it must be the batch.*remove it, and write batch_size"),
        ({"resources": {"workers_per_trial": 2}}, "as a whole.*write workers_per_trial: 1"),
        ({"dataset": {"negative": "wors"}}, "there is no column 'wors'.*did you mean 'worse'"),
    ],
)
def test_what_cannot_be_is_refused(
    pairs: Path, model: Path, sections: dict[str, Any], told: str
) -> None:
    """The line says what must hold."""
    with pytest.raises(RaygenError, match=told):
        planned(config_of(pairs, model, **sections))


def test_adapters_of_embeddings_resume(pairs: Path, model: Path) -> None:
    """LoRA trains without a head, and goes on from what is saved."""
    path = config_of(pairs, model)
    path.write_text(path.read_text(encoding="utf-8").replace("full", "lora"), encoding="utf-8")
    blueprint = planned(path)
    program, arrays = program_of(blueprint, pairs.parent), blueprint.load_arrays()
    x, y, saved = arrays["x"], arrays["y"], str(pairs.parent / "saved")

    _, _, expected = program.train(x, y, 0, lambda metrics, save: None)
    program.train(x, y, 0, lambda metrics, save: save(saved), epochs=1)
    _, _, metrics = program.train(x, y, 0, lambda metrics, save: None, saved)

    assert metrics == expected
