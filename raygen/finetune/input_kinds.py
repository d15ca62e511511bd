"""Which kinds of rows are there: what are their columns, and how long is each row in tokens?

A kind is a row of ``KINDS`` and, where its rows are made of tokens in a way of its own, a function
that counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raygen.finetune.columns import Column

Cells = Mapping[str, list[Any]]
"""The cells of each column, by the column's key; those of an optional one may be missing."""

_FRAGMENTS = "raygen.finetune.fragments"
_FRAMES = dict.fromkeys((".csv", ".jsonl", ".parquet"), f"{_FRAGMENTS}.frame_file")
_TEXTS = ("text", "sentence", "review", "content", "document", "title", "question")
_LABELS = ("label", "labels", "target", "class", "y")


@dataclass(frozen=True, kw_only=True)
class InputKind:
    """One row of the table."""

    columns: tuple[Column, ...]
    """Those of the inputs, then that of the targets; the last one's is the constant TARGET."""
    lengths: Callable[[Any, Cells], list[int]] | None
    """Tokens of each row, by tokenizer and cells; None where a row has no tokens to cut."""
    files: Mapping[str, str] = field(default_factory=lambda: _FRAMES)
    """By a file's ending, the module whose ``read_frame`` reads it."""
    constants: Callable[[Path], dict[str, Any]] = lambda folder: {}
    """Further constants of the loader, by the folder of the model: a rate, a size of images."""


def texts_of(cells: list[Any]) -> list[str]:
    """The cells as texts, those that are missing as empty ones."""
    return ["" if cell is None or cell != cell else str(cell) for cell in cells]


def _of_text(tokenizer: Any, cells: Cells) -> list[int]:
    found = tokenizer(texts_of(cells["text"]), verbose=False)["input_ids"]
    return [len(tokens) for tokens in found]


def _of_words(tokenizer: Any, cells: Cells) -> list[int]:
    words = [list(cell) for cell in cells["tokens"]]
    found = tokenizer(words, is_split_into_words=True, verbose=False)["input_ids"]
    return [len(tokens) for tokens in found]


KINDS: Mapping[str, InputKind] = {
    "labelled text": InputKind(
        columns=(Column("text", _TEXTS, "text"), Column("target", _LABELS, "label")),
        lengths=_of_text,
    ),
    "tagged words": InputKind(
        columns=(
            Column("tokens", ("tokens", "words"), "words"),
            Column("tags", ("tags", "ner_tags", "labels"), "tags"),
        ),
        lengths=_of_words,
    ),
}
"""Every kind of rows, by its name in ``FinetuningTask.kind``."""
