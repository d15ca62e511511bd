"""Are summaries learnt by decoders and by encoders with a decoder, and scored by ROUGE?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_methods import run
from test_program_text import lint
from tiny import planned, program_of, write_config
from tiny_writers import NOUNS, SAYS, section, tiny_llama, tiny_t5

from raygen.errors import RaygenError
from raygen.finetune.fragments import rouge
from raygen.source.candidate import Candidate


@pytest.fixture(scope="module", params=["llama", "t5"])
def writer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny decoder, or of an encoder with one."""
    make = {"llama": tiny_llama, "t5": tiny_t5}[request.param]
    return make(tmp_path_factory.mktemp(request.param))


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """Documents in which one animal runs, with two summaries in the test rows."""
    rng = np.random.default_rng(0)
    kinds = np.arange(150) % 6
    texts = [f"{'the ' * rng.integers(1, 4)}{NOUNS[k]} runs" for k in kinds]
    split = np.where(np.arange(150) % 5 == 4, "test", "train")
    said = [
        [f"{NOUNS[k]} {SAYS[k]}"] + ["a mouse sees"] * int(part == "test")
        for k, part in zip(kinds, split, strict=True)
    ]
    frame = pd.DataFrame({"dialogue": texts, "summaries": said, "split": split})
    frame.to_parquet(tmp_path / "documents.parquet")
    return tmp_path / "documents.parquet"


def config_of(path: Path, model: Path, *, epochs: int = 2, **dataset: Any) -> Path:
    """A config of a summarization."""
    task = {"name": "Summarization", "dataset": {"path": str(path), **dataset}}
    search = {"max_epochs": epochs}
    return write_config(path.parent, model, task=task, model=section(model), search=search)


def test_summaries_are_learnt_and_written(documents: Path, writer: Path) -> None:
    """The emitted program writes the summaries it has learnt, which ROUGE finds good."""
    blueprint = planned(config_of(documents, writer, epochs=14))
    path = documents.parent / "emitted.py"
    path.write_text(blueprint.render(Candidate({})).text, encoding="utf-8")
    pd.DataFrame({"dialogue": ["the the dog runs"]}).to_json(
        documents.parent / "asked.jsonl", orient="records", lines=True
    )

    test = json.loads(run(path).splitlines()[-1])["test"]
    told = run(path, "--predict", str(documents.parent / "asked.jsonl"))

    assert test["rouge_l"] > 0.9
    assert test.keys() == {"rouge_l", "rouge_1", "rouge_2", "log_loss", "perplexity"}
    assert json.loads(told)["text"] == "dog woof"
    assert lint(blueprint, documents.parent) == ""


def test_first_reference_is_learnt_and_the_best_is_scored(documents: Path, writer: Path) -> None:
    """Further references change neither targets nor loss, and can only raise the scores."""
    blueprint = planned(config_of(documents, writer))
    program, arrays = program_of(blueprint, documents.parent), blueprint.load_arrays()
    x, y, model = arrays["x_test"], arrays["y_test"], program.build_model()

    both = program.evaluate(model, x, y, {})
    first = program.evaluate(model, x, y[:, :1], {})

    assert y.shape[1] == 2
    assert arrays["y"].shape[1] == 1
    assert both["log_loss"] == first["log_loss"]
    assert both["rouge_1"] >= first["rouge_1"]


def test_scores_are_those_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On plain English the words are those of rouge_score's own tokenizer."""
    from rouge_score.rouge_scorer import RougeScorer
    from transformers import AutoTokenizer

    tiny_llama(tmp_path)
    monkeypatch.setattr(rouge, "PRETRAINED", str(tmp_path))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    right, written = "the cat says meow", "the cat sees a cat"
    y, p = ([tokenizer.encode(text)] for text in (right, written))

    scores = rouge.rouge_scores(np.array([y]), np.array(p))

    known = RougeScorer(["rougeL", "rouge1", "rouge2"]).score(right, written)
    assert list(scores.values()) == [each.fmeasure for each in known.values()]
    assert rouge.Words().tokenize("模型 is_good") == ["模", "型", "is", "good"]


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        ({"summary": "sumaries"}, "there is no column 'sumaries'.*did you mean 'summaries'"),
        ({"document": "summaries"}, "it must hold texts"),
        ({"target": "split"}, "may have it"),
    ],
)
def test_what_cannot_be_is_refused(
    documents: Path, writer: Path, dataset: dict[str, Any], told: str
) -> None:
    """The line says what must hold."""
    with pytest.raises(RaygenError, match=told):
        planned(config_of(documents, writer, **dataset))
