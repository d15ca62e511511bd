"""A tiny random BERT with a tokenizer of whole words, and data sets that it can learn."""

from __future__ import annotations

import importlib.util
import sys
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from raygen.finetune.blueprint import PretrainedBlueprint
from raygen.plan import plan_run
from raygen.source.candidate import Candidate

WORDS = ("good", "fine", "bad", "poor", "film", "book", "the", "a", "was", "is", "Ann", "Paris")
_NUMBERS = count()


def tiny_model(folder: Path) -> Path:
    """Save the model and its tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    vocabulary = {w: i for i, w in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS))}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=ends
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=64, **names)
    torch.manual_seed(0)
    model = BertModel(
        BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def texts(folder: Path, rows: int = 60) -> Path:
    """Save texts that are good or bad."""
    rng = np.random.default_rng(0)
    labels = np.arange(rows) % 2
    filler = [" ".join(rng.choice(WORDS[4:10], rng.integers(2, 9))) for _ in range(rows)]
    kinds = [rng.choice(WORDS[2:4] if label else WORDS[:2]) for label in labels]
    said = [f"{text} {word}" for text, word in zip(filler, kinds, strict=True)]
    split = np.where(np.arange(rows) % 5 == 4, "test", "train")
    path = folder / "texts.parquet"
    pd.DataFrame({"text": said, "label": labels, "split": split}).to_parquet(path)
    return path


def tagged(folder: Path, rows: int = 60) -> Path:
    """Save words with tags of persons and places."""
    rng = np.random.default_rng(0)
    tokens = [[str(w) for w in rng.choice(WORDS, rng.integers(3, 9))] for _ in range(rows)]
    kinds = {"Ann": "B-PER", "Paris": "B-LOC"}
    tags = [[kinds.get(word, "O") for word in words] for words in tokens]
    path = folder / "tagged.parquet"
    pd.DataFrame({"tokens": tokens, "tags": tags}).to_parquet(path)
    return path


def write_config(folder: Path, pretrained: Path, **sections: Any) -> Path:
    """Write a config of a text classification; sections are merged into it.

    Numbers are fp32 unless it says otherwise, so that what is equal in theory can be compared.
    """
    told: dict[str, Any] = {
        "task": {"name": "TextClassification", "dataset": {"path": str(folder / "texts.parquet")}},
        "model": {
            "pretrained": str(pretrained),
            "training": {"batch_size": 16, "learning_rate": 1e-3},
        },
        "search": {"max_epochs": 2, "trials": 2, "scheduler": "fifo"},
        "rank": {"folds": 2, "top": 1},
        "output": str(folder / "model.py"),
    }
    for name, section in sections.items():
        told[name] = {**told.get(name, {}), **section}
    told["model"]["training"] = {"precision": "fp32", **told["model"].get("training", {})}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(told), encoding="utf-8")
    return path


def planned(config: Path) -> PretrainedBlueprint:
    """The blueprint of a config."""
    blueprint = plan_run(config).blueprint
    assert isinstance(blueprint, PretrainedBlueprint)
    return blueprint


def program_of(blueprint: PretrainedBlueprint, folder: Path, **values: Any) -> Any:
    """The rendered program of a candidate, imported."""
    path = folder / f"finetuned_{next(_NUMBERS)}.py"
    path.write_text(blueprint.render(Candidate(values)).text, encoding="utf-8")
    return imported(path)


def imported(path: Path) -> Any:
    """A program, imported under a name that no other one has."""
    name = f"program_{next(_NUMBERS)}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
