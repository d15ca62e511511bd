"""Is everything that cannot be refused before any training, in one line?"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_task_speech import tiny_whisper
from tiny import planned, write_config
from tiny_writers import tiny_llama, words_tokenizer
from transformers import AddedToken, AutoTokenizer

from raygen.errors import RaygenError
from raygen.search.compatibility import mutable_parameters
from raygen.source.candidate import Candidate

COLUMNS = ("text", "prompt", "answer", "chosen", "rejected", "anchor", "positive")


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"pretrained": "nowhere"}, "there is no model 'nowhere'"),
        ({"pretrained": "bert-base-cased"}, "did you mean google-bert/bert-base-cased?"),
        ({"method": "lorra"}, "it must be one of full, head-only, lora"),
        ({"method": "lroa"}, "adapter; did you mean `lora`?"),
        ({"method": "p_tuning"}, "adapter; did you mean `p-tuning`?"),
        ({"lora": {"r": 8}}, "target_modules; write rank"),
        ({"method": "prompt", "prompt": {"num_virtual_tokens": 8}}, "one of tokens; write tokens"),
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


def lose(folder: Path) -> None:
    """Take the weights away."""
    (folder / "model.safetensors").unlink()


def cut_short(folder: Path) -> None:
    """Leave half of the weights, as a broken copy does."""
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])


def cut_the_header(folder: Path) -> None:
    """Leave a few bytes of the weights."""
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])


def list_a_shard(folder: Path) -> None:
    """Name a file of weights that is not there."""
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def widen(folder: Path) -> None:
    """Say that the model is of another size than its weights."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))


def swap_weights(folder: Path) -> None:
    """Put the weights of a decoder beside the config of an encoder."""
    (folder / "llama").mkdir()
    tiny_llama(folder / "llama")
    shutil.copy(folder / "llama" / "model.safetensors", folder)


def swap_the_tokenizer(folder: Path) -> None:
    """Put a tokenizer of more words there."""
    words_tokenizer(folder)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            swap_weights,
            "0 of the 41 weights of a bert model are among its weights, the first of which is",
        ),
        (swap_the_tokenizer, "the tokenizer has tokens up to 25, the model up to 15; the model"),
        (lose, "has no weights; there must be model.safetensors"),
        (cut_short, "bytes, and its header says"),
        (cut_the_header, "bytes, and its header is cut off"),
        (list_a_shard, "has no model-00002.safetensors"),
        (widen, "is (64, 32) among the weights, (48, 32) by config"),
    ],
)
def test_spoilt_weights_are_refused(
    folder: Path, model: Path, spoil: Callable[[Path], None], told: str
) -> None:
    """Before any training, since loading them would fail in each trial anew."""
    spoilt = folder / "spoilt"
    shutil.copytree(model, spoilt)
    spoil(spoilt)

    assert told in refused(write_config(folder, spoilt))


def test_tokens_that_no_text_has_may_be_beyond_the_vocabulary(folder: Path, model: Path) -> None:
    """Such as the one that stands for an image, which a model of text alone does not know."""
    other = folder / "other"
    shutil.copytree(model, other)
    tokenizer = AutoTokenizer.from_pretrained(other)
    tokenizer.add_tokens([AddedToken("<image>", special=True)])
    tokenizer.save_pretrained(other)
    assert planned(write_config(folder, other)).spec.num_rows == 48

    tokenizer.add_tokens(["cinema"])
    tokenizer.save_pretrained(other)
    assert "tokens up to 17, the model up to 15" in refused(write_config(folder, other))


@pytest.mark.parametrize("task", ["CausalLM", "InstructionTuning", "PreferenceTuning", "Embedding"])
def test_a_model_of_sounds_reads_no_texts(folder: Path, task: str) -> None:
    """Whisper has a decoder that transformers would give to a language model."""
    frame = pd.DataFrame(dict.fromkeys(COLUMNS, ["the good film was fine"] * 60))
    frame.to_parquet(folder / "texts.parquet")
    (folder / "whisper").mkdir()
    named = {"name": task, "dataset": {"path": str(folder / "texts.parquet")}}

    told = refused(write_config(folder, tiny_whisper(folder / "whisper"), task=named))

    assert "a whisper model given; the model must be one that reads texts, and this one" in told


def test_an_encoder_is_no_writer(folder: Path, model: Path) -> None:
    """A model that fills gaps has a head to write with in transformers, and cannot write."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.eos_token = "[SEP]"
    tokenizer.save_pretrained(folder / "bert")
    for file in ("config.json", "model.safetensors"):
        shutil.copy(model / file, folder / "bert" / file)
    frame = pd.DataFrame({"text": ["the good film was fine"] * 200})
    frame.to_parquet(folder / "texts.parquet")
    task = {"name": "CausalLM", "dataset": {"path": str(folder / "texts.parquet")}}

    told = refused(write_config(folder, folder / "bert", task=task))

    assert "a bert model given; the model must be one that writes" in told


@pytest.mark.parametrize(
    ("column", "cells", "told"),
    [
        ("label", [0.25, 0.5], "labels must be whole numbers or texts"),
        ("text", ["", " "], "column 'text' is empty in every row"),
        ("label", [1, 1], "all training rows have the label 1"),
    ],
)
def test_columns_that_teach_nothing_are_refused(
    folder: Path, model: Path, column: str, cells: list[Any], told: str
) -> None:
    """Fractions for labels, one label alone, and no text at all."""
    frame = pd.read_parquet(folder / "texts.parquet")
    frame[column] = (cells * len(frame))[: len(frame)]
    frame.to_parquet(folder / "texts.parquet")

    assert told in refused(write_config(folder, model))


def test_too_few_rows_for_the_folds_tell_what_folds_are(folder: Path, model: Path) -> None:
    """Whoever trains once has written no rank.folds, and is told what it is for."""
    pd.read_parquet(folder / "texts.parquet")[:4].to_parquet(folder / "texts.parquet")
    frame = pd.read_parquet(folder / "texts.parquet").assign(split=["train"] * 3 + ["test"])
    frame.to_parquet(folder / "texts.parquet")

    told = refused(write_config(folder, model, rank={"folds": 5}))

    assert "3 training rows are too few for 5 folds; python model.py --cv deals the" in told
    assert told.endswith("write rank: {folds: 3}")


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        ("TextClassification", "learning_rate, warmup_epochs, weight_decay, batch_size, label_sm"),
        ("TokenClassification", "learning_rate, warmup_epochs, weight_decay, batch_size, label_sm"),
        ("Embedding", "learning_rate, warmup_epochs, weight_decay, batch_size, and none that"),
    ],
)
def test_a_population_is_told_what_it_can_change(
    folder: Path, model: Path, task: str, settings: str
) -> None:
    """Only what a fine-tuning of the task has: no augmentation of images."""
    section = {"lora": {"rank": "$rank"}, "parameters": {"rank": {"choice": [2, 4]}}}
    search = {"scheduler": "pbt", "max_epochs": 20}
    config = write_config(folder, model, task={"name": task}, model=section, search=search)

    told = refused(config)

    assert f"may change while a trial trains: {settings}" in told
    assert "augmentation" not in told


def test_empty_texts_are_counted(folder: Path, model: Path) -> None:
    """They are no reason to refuse the others, and are told."""
    frame = pd.read_parquet(folder / "texts.parquet")
    frame.loc[frame.index[:3], "text"] = [None, "", "  "]
    frame.to_parquet(folder / "texts.parquet")

    assert "3 of 60 cells of text are empty" in planned(write_config(folder, model)).told()


@pytest.mark.parametrize("streamed", [False, True])
def test_rows_without_a_target_are_counted(folder: Path, model: Path, streamed: bool) -> None:
    """They are left out, and told; rows of splits that are not used are none of them."""
    frame = pd.read_parquet(folder / "texts.parquet")
    frame["label"] = frame["label"].astype("Int64")
    frame.loc[frame.index[:7], "label"] = None
    unused = pd.DataFrame({"text": ["good film"] * 5, "label": None, "split": "later"})
    pd.concat([frame, unused.astype({"label": "Int64"})]).to_parquet(folder / "texts.parquet")
    dataset = {"path": str(folder / "texts.parquet"), "streamed": streamed}

    blueprint = planned(write_config(folder, model, task={"dataset": dataset}))

    assert "; 7 of 60 rows have no label and are left out" in blueprint.told()
    assert blueprint.spec.num_rows + blueprint.spec.num_test_rows == 53


def test_each_word_has_a_tag(folder: Path, model: Path) -> None:
    """A row with more words than tags is named."""
    frame = pd.read_parquet(folder / "tagged.parquet")
    frame.at[7, "tags"] = list(frame.at[7, "tags"])[:-1]
    frame.to_parquet(folder / "tagged.parquet")
    task = {"name": "TokenClassification", "dataset": {"path": str(folder / "tagged.parquet")}}

    assert "row 7 has" in refused(write_config(folder, model, task=task))


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        (["B-PER", "PER"], "row 7 has the tag 'PER'; tags must be O, or B- or I- and"),
        (["B-PER", "S-LOC"], "row 7 has the tag 'S-LOC'"),
        (["B-PER", "I-"], "row 7 has the tag 'I-'"),
        (["O", "I-LOC"], "row 7 has I-LOC behind O; the first word of what is marked must have"),
        (["B-PER", "I-LOC"], "row 7 has I-LOC behind B-PER;"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_tags_are_iob2(folder: Path, model: Path, tags: list[str], told: str) -> None:
    """Other ways of tagging are refused at the first row that has them."""
    frame = pd.read_parquet(folder / "tagged.parquet")
    frame.at[7, "tokens"], frame.at[7, "tags"] = ["good", "film"], tags
    frame.to_parquet(folder / "tagged.parquet")
    task = {"name": "TokenClassification", "dataset": {"path": str(folder / "tagged.parquet")}}

    assert told in refused(write_config(folder, model, task=task))


@pytest.mark.parametrize(
    ("column", "cell", "told"),
    [
        ("tokens", None, "row 7 of column 'tokens' holds nothing; it must hold lists of words"),
        ("tokens", ["good", None], "row 7 of column 'tokens' holds"),
        ("tokens", [1, 2], "row 7 of column 'tokens' holds"),
        ("tags", ["O", None], "row 7 of column 'tags' holds"),
    ],
)
def test_a_cell_far_down_is_looked_at(
    folder: Path, model: Path, column: str, cell: Any, told: str
) -> None:
    """The first row that is not what all must be is named."""
    frame = pd.read_parquet(folder / "tagged.parquet")
    records = frame.to_dict("records")
    records[7][column] = cell
    lines = [json.dumps({k: _plain(v) for k, v in each.items()}) for each in records]
    (folder / "tagged.jsonl").write_text("\n".join(lines))
    task = {"name": "TokenClassification", "dataset": {"path": str(folder / "tagged.jsonl")}}

    assert told in refused(write_config(folder, model, task=task))


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


@pytest.mark.parametrize(
    ("name", "options"),
    [("micro_batch", [4, 8]), ("checkpointing", [True, False]), ("precision", ["fp32", "bf16"])],
)
def test_every_training_setting_can_be_searched(
    folder: Path, model: Path, name: str, options: list[Any]
) -> None:
    """A parameter with the name of a setting is that setting, and stands in the program."""
    section = {"parameters": {name: {"choice": options}}, "training": {}}
    config = write_config(folder, model, model=section)
    config.write_text(config.read_text().replace("  training:\n    precision: fp32\n", ""))
    blueprint = planned(config)

    texts = {blueprint.render(Candidate({name: each})).text for each in options}

    assert len(texts) == 2


def test_what_other_peoples_files_do_is_one_line(folder: Path, model: Path) -> None:
    """A config that transformers itself stumbles over is told, not shown as a traceback."""
    odd = folder / "odd"
    shutil.copytree(model, odd)
    config = json.loads((odd / "config.json").read_text())
    (odd / "config.json").write_text(json.dumps(config | {"hidden_act": "gelux"}))

    told = refused(write_config(folder, odd))

    assert "model.pretrained: " in told
    assert "gelux" in told


def test_virtual_tokens_leave_room_for_texts(folder: Path, model: Path) -> None:
    """A prompt as long as the model is refused."""
    section = {"pretrained": str(model), "method": "prompt", "prompt": {"tokens": 64}}

    assert "leave 0 for texts" in refused(write_config(folder, model, model=section))


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
