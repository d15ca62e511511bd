"""How do words with a tag each become token numbers, and how are tags learnt and told?"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from transformers import AutoTokenizer

from raygen.data.fragments.rows_by_split import cut_test_rows
from raygen.finetune.fragments.frame_file import read_frame

DATA = "data/wikigold.parquet"
PRETRAINED = "google-bert/bert-base-cased"
TOKENS = "tokens"
TARGET = "tags"
CLASSES = ("B-PER", "I-PER", "O")
MAX_LENGTH = 128
PAD = 0


def load_data(path: str = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load the words as token numbers, and their tags: x, y, x_test, y_test."""
    train, test = cut_test_rows(read_frame(path))
    return *encode(train), *encode(test)


def read_inputs(path: str) -> np.ndarray:
    """Read the words to predict from a file with the same column of words."""
    return encode(read_frame(path).drop(columns=TARGET, errors="ignore"))[0]


def encode(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Number the first MAX_LENGTH tokens of each row.

    Returns x (rows, 2, MAX_LENGTH), token numbers and 1 where a word begins, and y (rows,
    MAX_LENGTH), the tag's place in CLASSES where a word begins and -100 elsewhere.
    """
    tokenizer = AutoTokenizer.from_pretrained(PRETRAINED)
    number = {tag: place for place, tag in enumerate(CLASSES)}
    x = np.zeros((len(frame), 2, MAX_LENGTH), np.int32)
    x[:, 0], y = PAD, np.full((len(frame), MAX_LENGTH), -100)
    for row, words in enumerate(frame[TOKENS]):
        found = tokenizer(
            list(words), is_split_into_words=True, truncation=True, max_length=MAX_LENGTH
        )
        x[row, 0, : len(found["input_ids"])] = found["input_ids"]
        places = found.word_ids()
        starts = [i for i, word in enumerate(places) if word is not None and word != places[i - 1]]
        x[row, 1, starts] = 1
        if TARGET in frame:
            tags = frame[TARGET].iloc[row]
            y[row, starts] = [number[tags[places[start]]] for start in starts]
    return x, y


def row_lengths(x: np.ndarray) -> np.ndarray:
    """Count the tokens of each row before its padding, at least one."""
    lengths: np.ndarray = (x[:, 0] != PAD).cumsum(axis=1).argmax(axis=1) + 1
    return lengths


def to_batch(x: np.ndarray) -> dict[str, torch.Tensor]:
    """Rows as the model takes them, without the padding that all have."""
    lengths = row_lengths(x)
    ids = torch.from_numpy(x[:, 0, : lengths.max()].astype(np.int64))
    mask = torch.arange(ids.shape[1]) < torch.from_numpy(lengths)[:, None]
    return {"input_ids": ids, "attention_mask": mask.long()}


def count_targets(y: np.ndarray) -> int:
    """Count what the loss of these rows is a sum over: the words."""
    return int((y != -100).sum())


def loss_sum(
    model: nn.Module, batch: dict[str, Any], targets: torch.Tensor, settings: dict[str, Any]
) -> torch.Tensor:
    """The cross-entropy of the tags, summed over the words."""
    logits = model(**batch).logits.float()
    targets = targets[:, : logits.shape[1]]
    return nn.functional.cross_entropy(
        logits.flatten(0, 1),
        targets.flatten(),
        label_smoothing=settings.get("label_smoothing", 0.0),
        reduction="sum",
    )


def predict_batch(model: nn.Module, batch: dict[str, Any]) -> torch.Tensor:
    """The place in CLASSES of the likeliest tag of each token: (rows, MAX_LENGTH)."""
    tags: torch.Tensor = model(**batch).logits.argmax(dim=2)
    return nn.functional.pad(tags, (0, MAX_LENGTH - tags.shape[1]))


def print_predictions(predictions: np.ndarray, x: np.ndarray) -> None:
    """Print a line of JSON for each row: the tags of its words."""
    for row, (tags, begins) in enumerate(zip(predictions, x[:, 1], strict=True)):
        print(json.dumps({"row": row, "tags": [CLASSES[tag] for tag in tags[begins == 1]]}))
