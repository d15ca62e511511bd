"""Is the better of two answers learnt, held against what the pretrained model says?"""

from __future__ import annotations

import json
from pathlib import Path

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
def pairs(tmp_path: Path) -> Path:
    """Questions after an animal's voice, of which the neighbour's is the worse answer."""
    rows = [i % 6 for i in range(80)]
    frame = pd.DataFrame(
        {
            "prompt": [f"{'the ' * (i // 6 % 2)}{NOUNS[k]} says" for i, k in enumerate(rows)],
            "chosen": [SAYS[k] for k in rows],
            "rejected": [f"the {SAYS[(k + 1) % 6]}" for k in rows],
        }
    )
    frame.to_parquet(tmp_path / "pairs.parquet")
    return tmp_path / "pairs.parquet"


def config_of(path: Path, model: Path, *, epochs: int = 2, method: str = "full") -> Path:
    """A config of a preference tuning."""
    task = {"name": "PreferenceTuning", "dataset": {"path": str(path)}}
    given = section(model, method=method, learning_rate=3e-3)
    return write_config(path.parent, model, task=task, model=given, search={"max_epochs": epochs})


@pytest.mark.parametrize("method", ["full", "lora"])
def test_better_answers_are_learnt(pairs: Path, llama: Path, method: str) -> None:
    """The emitted program prefers the better answers, by its own prediction too."""
    blueprint = planned(config_of(pairs, llama, epochs=4, method=method))
    path = pairs.parent / "emitted.py"
    path.write_text(blueprint.render(Candidate({})).text, encoding="utf-8")

    test = json.loads(run(path).splitlines()[-1])["test"]
    told = [json.loads(line) for line in run(path, "--predict", str(pairs)).splitlines()]

    assert test["reward_accuracy"] >= 0.9
    assert test["dpo_loss"] < np.log(2)
    assert len(told) == 80
    assert told[0].keys() == {"row", "log_chosen", "log_rejected"}
    assert lint(blueprint, pairs.parent) == ""


@pytest.mark.parametrize("method", ["full", "lora"])
def test_untrained_model_prefers_nothing(pairs: Path, llama: Path, method: str) -> None:
    """Before training, the model is its own reference: the loss is that of a coin."""
    blueprint = planned(config_of(pairs, llama, method=method))
    program, arrays = program_of(blueprint, pairs.parent), blueprint.load_arrays()

    scores = program.evaluate(program.build_model(), arrays["x"], arrays["y"], {})

    assert scores["dpo_loss"] == pytest.approx(np.log(2), abs=1e-5)


def test_logarithms_are_those_of_transformers(pairs: Path, llama: Path) -> None:
    """What the reference says of an answer is the sum over its tokens and its end."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    arrays = planned(config_of(pairs, llama)).load_arrays()
    model = AutoModelForCausalLM.from_pretrained(llama).eval()
    row = arrays["x"][0]
    ids, said = torch.from_numpy(row[0][row[0] >= 0]), (row[2] >= 0).sum()
    with torch.no_grad():
        logs = model(ids[None]).logits[0].log_softmax(dim=1)
    expected = sum(logs[i - 1, ids[i]].item() for i in range(len(ids) - said, len(ids)))

    assert AutoTokenizer.from_pretrained(llama).decode(ids[-2:]) in [f"{s} </s>" for s in SAYS]
    assert arrays["y"][0, 0] == pytest.approx(expected, abs=1e-4)


def test_missing_column_is_refused(pairs: Path, llama: Path) -> None:
    """Without a worse answer there is nothing to prefer."""
    pd.read_parquet(pairs).drop(columns="rejected").to_parquet(pairs)

    with pytest.raises(RaygenError, match=r"which column holds the rejected\?.*name one by"):
        planned(config_of(pairs, llama))
