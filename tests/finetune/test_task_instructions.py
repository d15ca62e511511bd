"""Are answers learnt from prompts, of two columns or of conversations?"""

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
    """The folder of a tiny decoder that knows no chats."""
    return tiny_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def chatting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one with a template of chats."""
    return tiny_llama(tmp_path_factory.mktemp("chatting"), chat=True)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Questions of two lengths with their answers, and the same as conversations."""
    rows = [i % 6 for i in range(120)]
    asked = [f"what says {'the ' * (i // 6 % 2)}{NOUNS[k]}" for i, k in enumerate(rows)]
    said = [f"the {NOUNS[k]} says {SAYS[k]}" for k in rows]
    chats = [
        [{"role": "user", "content": q}, {"role": "assistant", "content": a}]
        for q, a in zip(asked, said, strict=True)
    ]
    frame = pd.DataFrame({"question": asked, "answer": said, "messages": chats})
    frame.to_parquet(tmp_path / "pairs.parquet")
    return tmp_path / "pairs.parquet"


def config_of(path: Path, model: Path, *, epochs: int = 2, **dataset: Any) -> Path:
    """A config of an instruction tuning."""
    task = {"name": "InstructionTuning", "dataset": {"path": str(path), **dataset}}
    search = {"max_epochs": epochs}
    return write_config(path.parent, model, task=task, model=section(model), search=search)


def test_answers_are_learnt_and_given(pairs: Path, llama: Path) -> None:
    """The emitted program answers the prompts of a file as it has learnt, and then ends."""
    blueprint = planned(config_of(pairs, llama, epochs=25))
    path = pairs.parent / "emitted.py"
    path.write_text(blueprint.render(Candidate({})).text, encoding="utf-8")
    pd.DataFrame({"question": ["what says dog", "what says the cat"]}).to_csv(
        pairs.parent / "asked.csv"
    )

    test = json.loads(run(path).splitlines()[-1])["test"]
    told = run(path, "--predict", str(pairs.parent / "asked.csv")).splitlines()

    assert test["log_loss"] < 0.1
    assert [json.loads(line)["text"] for line in told] == [
        "the dog says woof",
        "the cat says meow",
    ]
    assert lint(blueprint, pairs.parent) == ""


def test_only_answers_are_targets(pairs: Path, llama: Path) -> None:
    """The targets are the answer and its end, at their places in the row."""
    arrays = planned(config_of(pairs, llama)).load_arrays()
    x, y = arrays["x"], arrays["y"]

    assert ((y == x) | (y == -100)).all()
    assert set((y >= 0).sum(axis=1)) == {5}
    assert (y.max(axis=1) >= 3).all()
    assert set((x >= 0).sum(axis=1)) == {8, 9}


@pytest.mark.parametrize("column", ["question", "messages"])
def test_template_of_chats_is_used(pairs: Path, chatting: Path, column: str) -> None:
    """A tokenizer with a template of chats lays out columns and conversations alike."""
    named = {"messages": "messages"} if column == "messages" else {}
    arrays = planned(config_of(pairs, chatting, **named)).load_arrays()

    from transformers import AutoTokenizer

    text = AutoTokenizer.from_pretrained(chatting).decode(arrays["x"][0][arrays["x"][0] >= 0])
    assert text.startswith("user : what says")
    assert "</s> assistant : the" in text
    assert set((arrays["y"] >= 0).sum(axis=1)) == {5}


def test_padding_changes_no_continuation(pairs: Path, llama: Path) -> None:
    """A prompt is gone on with in the same way beside longer ones as alone."""
    blueprint = planned(config_of(pairs, llama))
    program = program_of(blueprint, pairs.parent)
    model = program.build_model()
    x = program.read_inputs(str(pairs))[:6]

    alone = [program.predict(model, row[None], {})[0] for row in x]

    np.testing.assert_array_equal(program.predict(model, x, {}), alone)


@pytest.mark.parametrize("method", ["lora", "prompt", "prefix", "p-tuning", "ia3"])
def test_methods_learn_and_go_on_from_what_is_saved(pairs: Path, llama: Path, method: str) -> None:
    """Adapters and virtual tokens of a decoder lower its loss, and resuming is replaying."""
    given = section(llama, method=method, learning_rate=3e-2)
    task = {"name": "InstructionTuning", "dataset": {"path": str(pairs)}}
    search = {"max_epochs": 2}
    config = write_config(pairs.parent, llama, task=task, model=given, search=search)
    blueprint = planned(config)
    program, arrays = program_of(blueprint, pairs.parent), blueprint.load_arrays()
    x, y, saved = arrays["x"], arrays["y"], str(pairs.parent / "saved")

    before = program.evaluate(program.build_model(), x, y, {})["log_loss"]
    _, _, expected = program.train(x, y, 0, lambda metrics, save: None)
    program.train(x, y, 0, lambda metrics, save: save(saved), epochs=1)
    _, _, metrics = program.train(x, y, 0, lambda metrics, save: None, saved)

    assert metrics == expected
    assert metrics["log_loss"] < before


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        ({"prompt": "qestion"}, "there is no column 'qestion'.*did you mean 'question'"),
        ({"messages": "question"}, "lists of messages, each with a role and a content"),
        ({"messages": "messages"}, "the tokenizer has no template of chats"),
        ({"answer": "messages"}, "it must hold texts"),
    ],
)
def test_what_cannot_be_is_refused(
    pairs: Path, llama: Path, dataset: dict[str, Any], told: str
) -> None:
    """The line says what must hold."""
    with pytest.raises(RaygenError, match=told):
        planned(config_of(pairs, llama, **dataset))


@pytest.mark.parametrize("column", ["answer", "messages"])
def test_rows_that_are_cut_are_counted(pairs: Path, chatting: Path, column: str) -> None:
    """As many as really are: a single long answer does not make all others count."""
    frame = pd.read_parquet(pairs)
    long = " ".join(["the cat says meow"] * 10)
    frame.at[7, "answer"] = long
    frame.at[7, "messages"] = [*frame.at[7, "messages"][:1], {"role": "assistant", "content": long}]
    frame.at[8, "question"] = long
    frame.at[8, "messages"] = [{"role": "user", "content": long}, *frame.at[8, "messages"][1:]]
    frame.to_parquet(pairs)
    named = {"messages": "messages"} if column == "messages" else {}
    config = config_of(pairs, chatting, max_length=32, **named)

    blueprint = planned(config)
    arrays = blueprint.load_arrays()

    whole = planned(config_of(pairs, chatting, max_length=64, **named)).load_arrays()
    counts = [
        np.concatenate([(found[name] >= 0).sum(axis=1) for name in ("x", "x_test")])
        for found in (arrays, whole)
    ]
    assert (counts[0] < counts[1]).sum() == 2
    assert "; 2 of 120 texts (1.7 %) are longer than 32 tokens, 16 of them for" in blueprint.told()
