"""Does each method train what it says, save it, go on from it, and merge it?"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import planned, program_of, write_config

from raygen.errors import EnvironmentProblem
from raygen.finetune.fragments import entities
from raygen.finetune.methods import METHODS
from raygen.source.candidate import Candidate

ON_CPU = [name for name, method in METHODS.items() if not method.needs_gpu]
MERGING = [name for name in ON_CPU if METHODS[name].merged]


def quiet(metrics: dict[str, Any], save: Any) -> None:
    """A report that tells nobody."""


@pytest.mark.parametrize("method", ON_CPU)
def test_resumed_training_is_bit_for_bit_the_same(folder: Path, model: Path, method: str) -> None:
    """Two epochs are one, saved and loaded, and one more: the same metrics and weights."""
    blueprint = planned(write_config(folder, model, model=_model(model, method)))
    program, arrays = program_of(blueprint, folder), blueprint.load_arrays()
    x, y = arrays["x"], arrays["y"]

    whole, _, expected = program.train(x, y, 0, quiet)
    program.train(x, y, 0, lambda metrics, save: save(str(folder / "saved")), epochs=1)
    resumed, _, metrics = program.train(x, y, 0, quiet, str(folder / "saved"))

    assert metrics == expected
    assert metrics["epoch"] == 2
    states = whole.state_dict(), resumed.state_dict()
    assert [n for n in states[0] if not states[0][n].equal(states[1][n])] == []


@pytest.mark.parametrize("method", ON_CPU)
def test_trainable_numbers_are_those_of_peft(folder: Path, model: Path, method: str) -> None:
    """What is counted without weights is what trains in the program, and what peft counts."""
    blueprint = planned(write_config(folder, model, model=_model(model, method)))

    network = program_of(blueprint, folder).build_model()

    counted = blueprint.num_parameters(Candidate({}))
    assert counted == sum(w.numel() for w in network.parameters() if w.requires_grad)
    if METHODS[method].of_peft:
        assert counted == network.get_nb_trainable_parameters()[0]


@pytest.mark.parametrize("method", MERGING)
def test_merged_model_predicts_the_same(folder: Path, model: Path, method: str) -> None:
    """The folder that --merge writes is read by transformers alone, and predicts the same."""
    from transformers import AutoModelForSequenceClassification

    blueprint = planned(write_config(folder, model, model=_model(model, method)))
    program, arrays = program_of(blueprint, folder), blueprint.load_arrays()
    network, _, _ = program.train(arrays["x"], arrays["y"], 0, quiet)

    expected = program.predict(network, arrays["x_test"], {})
    program.merge(network, str(folder / "merged"))
    plain = AutoModelForSequenceClassification.from_pretrained(folder / "merged")

    np.testing.assert_allclose(program.predict(plain, arrays["x_test"], {}), expected, atol=1e-5)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_size_of_micro_batches_changes_nothing(folder: Path, model: Path, method: str) -> None:
    """The loss curve is the same, whether a batch goes through the model at once or in parts."""
    curves = []
    for size in (16, 3):
        training = {"batch_size": 16, "micro_batch": size}
        section = _model(model, method) | {"training": training}
        blueprint = planned(write_config(folder, model, model=section))
        arrays, losses = blueprint.load_arrays(), []
        program_of(blueprint, folder).train(
            arrays["x"], arrays["y"], 0, lambda m, _, losses=losses: losses.append(m["train_loss"])
        )
        curves.append(losses)

    np.testing.assert_allclose(curves[0], curves[1], atol=1e-5)


def test_qlora_without_a_gpu_is_refused(folder: Path, model: Path) -> None:
    """On a machine without CUDA the plan says so in one line, with the remedy."""
    config = write_config(folder, model, model={"pretrained": str(model), "method": "qlora"})

    with pytest.raises(EnvironmentProblem, match=r"needs a CUDA GPU.*write method: lora"):
        planned(config)


def test_program_learns_saves_and_predicts(folder: Path, model: Path) -> None:
    """Run by itself, a program learns, leaves an adapter that peft reads, and predicts with it."""
    from peft import PeftConfig

    section = _model(model, "lora") | {"training": {"batch_size": 8, "learning_rate": 1e-2}}
    config = write_config(folder, model, model=section, search={"max_epochs": 12})
    blueprint = planned(config)
    path = folder / "emitted.py"
    path.write_text(blueprint.render(Candidate({})).text, encoding="utf-8")

    done = run(path)
    told = run(path, "--predict", str(folder / "texts.parquet"))

    assert json.loads(done.splitlines()[-1])["test"]["accuracy"] >= 0.9
    assert PeftConfig.from_pretrained(str(folder / "weights")).r == 8
    assert len(told.splitlines()) == 60
    assert json.loads(told.splitlines()[0]).keys() == {"row", "label", "probability"}


def test_tags_are_learnt_and_told(folder: Path, model: Path) -> None:
    """A token classification finds its entities, and tells a tag for each word of a row."""
    task = {"name": "TokenClassification", "dataset": {"path": str(folder / "tagged.parquet")}}
    section = {"pretrained": str(model), "method": "full"}
    training = {"batch_size": 4, "learning_rate": 1e-2}
    config = write_config(folder, model, task=task, model=section | {"training": training})
    blueprint = planned(config)
    path = folder / "emitted.py"
    path.write_text(blueprint.render(Candidate({})).text, encoding="utf-8")

    test = json.loads(run(path).splitlines()[-1])["test"]
    told = run(path, "--predict", str(folder / "tagged.parquet"))

    assert test["entity_f1"] >= 0.9
    assert {"PER_f1", "LOC_precision", "LOC_recall", "token_accuracy"} <= test.keys()
    assert set(json.loads(told.splitlines()[0])["tags"]) <= {"O", "B-PER", "B-LOC"}


def test_entities_are_scored_whole_and_by_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entity with a wrong end is missed and made up, both counted for its own kind alone."""
    monkeypatch.setattr(entities, "CLASSES", ("O", "B-PER", "I-PER", "B-LOC"))
    y = np.array([[1, 2, 0, 3, -100], [1, 0, 3, 0, 0]])
    p = np.array([[1, 0, 0, 3, -100], [1, 0, 3, 3, 0]])

    scores = entities.entity_scores(y, p)

    expected = {"entity": (3, 5, 4), "PER": (1, 2, 2), "LOC": (2, 3, 2)}  # hits, found, right
    for name, (hits, found, right) in expected.items():
        assert scores[f"{name}_precision"] == pytest.approx(hits / found)
        assert scores[f"{name}_recall"] == pytest.approx(hits / right)
        assert scores[f"{name}_f1"] == pytest.approx(2 * hits / (found + right))
    assert scores["token_accuracy"] == pytest.approx(7 / 9)


def run(path: Path, *arguments: str) -> str:
    """What a program prints, run where RayGen cannot be imported by accident."""
    done = subprocess.run(
        [sys.executable, path.name, *arguments],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _model(folder: Path, method: str) -> dict[str, Any]:
    return {"pretrained": str(folder), "method": method}
