"""Is running text learnt in blocks, scored by its likelihood, and gone on with?"""

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
from tiny_writers import NOUNS, SAYS, section, tiny_llama

from raygen.errors import RaygenError
from raygen.source.candidate import Candidate


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny decoder."""
    return tiny_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A text in which each animal says what it always says."""
    rng = np.random.default_rng(0)
    lines = [f"the {NOUNS[i]} says {SAYS[i]}\n" for i in rng.integers(0, 6, 400)]
    (tmp_path / "text.txt").write_text("".join(lines), encoding="utf-8")
    return tmp_path / "text.txt"


def config_of(path: Path, llama: Path, *, epochs: int = 3, **dataset: Any) -> Path:
    """A config of a language model."""
    task = {"name": "CausalLM", "dataset": {"path": str(path), "max_length": 16, **dataset}}
    model, search = section(llama), {"max_epochs": epochs}
    return write_config(path.parent, llama, task=task, model=model, search=search)


def test_text_is_learnt_and_gone_on_with(text: Path, llama: Path) -> None:
    """The emitted program scores well below a guess, and a prompt is gone on with as learnt."""
    blueprint = planned(config_of(text, llama, epochs=6))
    path = text.parent / "emitted.py"
    path.write_text(blueprint.render(Candidate({})).text, encoding="utf-8")
    (text.parent / "prompts.txt").write_text("the dog\nthe cat says\n", encoding="utf-8")

    test = json.loads(run(path).splitlines()[-1])["test"]
    told = run(path, "--predict", str(text.parent / "prompts.txt")).splitlines()

    assert test["log_loss"] < 1.0 < np.log(26)
    assert test["perplexity"] == pytest.approx(np.exp(test["log_loss"]))
    assert json.loads(told[0])["text"].startswith("says woof the")
    assert json.loads(told[1])["text"].startswith("meow the")
    assert lint(blueprint, text.parent) == ""


def test_first_nine_tenths_train_and_blocks_are_full(text: Path, llama: Path) -> None:
    """No token is lost between the blocks, and the last tenth of the characters is held out."""
    arrays = planned(config_of(text, llama)).load_arrays()

    assert (arrays["x"] == arrays["y"]).all()
    assert arrays["x"].shape[1] == 16
    kept = [int((arrays[name] >= 0).sum()) for name in ("x", "x_test")]
    assert sum(kept) == 1600
    assert kept[0] / 1600 == pytest.approx(0.9, abs=0.01)


def test_loss_is_that_of_transformers(text: Path, llama: Path) -> None:
    """The score of the untrained model is the mean of what transformers gives for each token."""
    import torch
    from transformers import AutoModelForCausalLM

    blueprint = planned(config_of(text, llama))
    program, x = program_of(blueprint, text.parent), blueprint.load_arrays()["x_test"]
    model = AutoModelForCausalLM.from_pretrained(llama).eval()

    rows = [torch.from_numpy(row[row >= 0])[None] for row in x]
    with torch.no_grad():
        losses = [(model(row, labels=row).loss.item(), row.shape[1] - 1) for row in rows]
    expected = np.average([each[0] for each in losses], weights=[each[1] for each in losses])

    assert program.evaluate(model, x, x, {})["log_loss"] == pytest.approx(expected, rel=1e-5)


def test_texts_of_a_table_are_ended(text: Path, llama: Path) -> None:
    """In a table each row is a text of its own, with a token behind that ends it."""
    texts = text.read_text(encoding="utf-8").splitlines()
    pd.DataFrame({"line": texts}).to_parquet(text.parent / "texts.parquet")

    arrays = planned(config_of(text.parent / "texts.parquet", llama, text="line")).load_arrays()

    assert (arrays["x"] == 3).sum() == 320
    assert (arrays["x_test"] == 3).sum() == 80


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        ({"max_length": 60}, "the model takes 64 tokens, 16 of which are left for new ones"),
        ({"prompt": "text"}, "only InstructionTuning and PreferenceTuning may have it"),
    ],
)
def test_what_cannot_be_is_refused(
    text: Path, llama: Path, dataset: dict[str, Any], told: str
) -> None:
    """The line says what must hold."""
    with pytest.raises(RaygenError, match=told):
        planned(config_of(text, llama, **dataset))


def test_short_text_is_refused(text: Path, llama: Path) -> None:
    """A text without two blocks for each fold is refused with the length that would do."""
    text.write_text("the cat says meow\n" * 12, encoding="utf-8")

    with pytest.raises(RaygenError, match=r"48 tokens are too few for 2 folds.*max_length: 6"):
        planned(config_of(text, llama))


def test_a_text_of_one_line_is_refused(text: Path, llama: Path) -> None:
    """All of it would be the test; the line says so, and what to do."""
    text.write_text("the cat says meow " * 400, encoding="utf-8")

    told = r"a text of 1 line leaves none for training; the last tenth .*; break the text into"
    with pytest.raises(RaygenError, match=told):
        planned(config_of(text, llama))


def test_a_few_long_texts_have_as_many_folds_as_many_short_ones(text: Path, llama: Path) -> None:
    """Folds are of blocks, whatever texts these are cut from."""
    long = "the cat says meow " * 400
    pd.DataFrame({"text": [long] * 2}).to_parquet(text.parent / "texts.parquet")

    assert planned(config_of(text.parent / "texts.parquet", llama)).spec.num_rows == 101


def test_head_alone_is_trained_where_it_is_not_the_embeddings(text: Path, tmp_path: Path) -> None:
    """A decoder whose output is tied to its embeddings has no head of its own."""
    (tmp_path / "llama").mkdir()
    llama = tiny_llama(tmp_path / "llama")
    config = config_of(text, llama)
    config.write_text(config.read_text().replace("method: full", "method: head-only"))
    blueprint = planned(config)
    program, x = program_of(blueprint, tmp_path), blueprint.load_arrays()["x"]

    model, _, _ = program.train(x, x, None, lambda metrics, save: None, epochs=1)

    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert trained == ["lm_head.weight"]
    assert blueprint.num_parameters(Candidate({})) == model.lm_head.weight.numel()
    told = json.loads((llama / "config.json").read_text()) | {"tie_word_embeddings": True}
    (llama / "config.json").write_text(json.dumps(told))
    with pytest.raises(RaygenError, match=r"model\.method: head-only .* has no head for CausalLM"):
        planned(config)
