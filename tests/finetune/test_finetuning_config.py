"""Is everything that cannot be refused before any training, in one line?"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny import planned, write_config

from raygen.errors import RaygenError
from raygen.search.compatibility import mutable_parameters


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"pretrained": "nowhere"}, "there is no model 'nowhere'"),
        ({"method": "lorra"}, "it must be one of full, head-only, lora"),
        ({"lora": {"rang": 8}}, "unknown setting of lora"),
        ({"lora": {"rank": 0}}, "a whole number of at least 1"),
        ({"lora": {"rank": "$r"}}, "it must name one of the parameters"),
        ({"lora": {"target_modules": ["queries"]}}, "target 'queries' matches no layer"),
        ({"ia3": {"target_modules": "auto"}}, "given beside method: lora"),
        ({"training": {"momentum": 0.9}}, "unknown training setting"),
        ({"parameters": {"rank": {"choice": [4]}}}, "never used"),
        ({"space": "text/textcnn"}, "pretrained and space given"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_what_cannot_be_is_refused(
    folder: Path, model: Path, section: dict[str, Any], told: str
) -> None:
    """The line names the key and says what must hold."""
    config = write_config(folder, model, model=section)

    assert told in refused(config)


def test_model_without_a_tokenizer_is_refused(folder: Path, model: Path) -> None:
    """A folder with weights and no tokenizer is named, with what is missing."""
    bare = folder / "bare"
    shutil.copytree(model, bare, ignore=shutil.ignore_patterns("tokenizer*"))

    assert "has no tokenizer" in refused(write_config(folder, bare))


def test_model_without_a_head_for_the_task_is_refused(folder: Path, model: Path) -> None:
    """A speech model classifies no texts."""
    other = folder / "whisper"
    shutil.copytree(model, other)
    (other / "config.json").write_text('{"model_type": "vits"}', encoding="utf-8")

    assert "no AutoModelForSequenceClassification" in refused(write_config(folder, other))


def test_labels_without_training_rows_are_refused(folder: Path, model: Path) -> None:
    """A label that occurs in the test rows alone cannot be learnt."""
    frame = pd.read_parquet(folder / "texts.parquet")
    frame.loc[frame.index[4], "label"] = 7  # a test row
    frame.to_parquet(folder / "texts.parquet")

    assert "the test rows have 7, which no training row has" in refused(write_config(folder, model))


def test_cut_texts_are_counted(folder: Path, model: Path) -> None:
    """Texts that are longer than what is kept are told, with their number."""
    dataset = {"path": str(folder / "texts.parquet"), "max_length": 6}
    config = write_config(folder, model, task={"dataset": dataset})

    assert "texts" in planned(config).spec.cut
    assert "longer than 6 tokens" in planned(config).told()


def test_longer_than_the_model_takes_is_refused(folder: Path, model: Path) -> None:
    """A length that the model has no positions for is refused with the one it has."""
    dataset = {"path": str(folder / "texts.parquet"), "max_length": 65}
    config = write_config(folder, model, task={"dataset": dataset})

    assert "the model takes at most 64 tokens" in refused(config)


def test_a_task_without_networks_needs_a_model(folder: Path) -> None:
    """A token classification without a pretrained model is refused."""
    path = folder / "config.yaml"
    text = "task: {name: TokenClassification, dataset: {path: tagged.parquet}}\n"
    path.write_text(text, encoding="utf-8")

    assert "TokenClassification must have a pretrained model" in refused(path)


def test_population_may_change_learning_rate_and_decay_only(folder: Path, model: Path) -> None:
    """What the method or the model is built with stays what it is while a trial trains."""
    parameters = {
        "rank": {"choice": [4, 8]},
        "learning_rate": {"float": [1e-4, 1e-2], "log": True},
        "weight_decay": {"float": [0.0, 0.1]},
        "dropout": {"float": [0.0, 0.2]},
    }
    section = {"lora": {"rank": "$rank"}, "parameters": parameters, "training": {}}
    space = planned(write_config(folder, model, model=section)).space

    assert {each.name for each in mutable_parameters(space)} == {"learning_rate", "weight_decay"}


def refused(config: Path) -> str:
    """The line that a config is refused with."""
    with pytest.raises(RaygenError) as caught:
        planned(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)
