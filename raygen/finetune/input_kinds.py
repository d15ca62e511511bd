"""Which kinds of rows are there: what are their columns, and how long is each row in tokens?

A kind is a row of ``KINDS`` and, where its rows are made of tokens in a way of its own, a function
that counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from raygen.finetune.columns import Column
from raygen.finetune.facts import Cells, Facts
from raygen.finetune.language import (
    PLAIN,
    SUMMARY,
    lengths_of_chats,
    of_blocks,
    of_chats,
    of_preferences,
    of_prompts,
    of_summaries,
    of_text_to_text,
    pairs_of,
    texts_of,
)
from raygen.finetune.sound import of_alignment, of_speech
from raygen.finetune.tokens import Lengths

_FRAGMENTS = "raygen.finetune.fragments"
_FRAMES = dict.fromkeys((".csv", ".jsonl", ".parquet"), f"{_FRAGMENTS}.frame_file")
_TEXTS = ("text", "sentence", "review", "content", "document", "title", "question")
_DOCUMENTS = ("document", "article", "dialogue", "text")
_SUMMARIES = ("summary", "summaries", "highlights", "title")
_SPEECH = (
    Column("audio", ("audio", "file", "path"), "audio"),
    Column("transcript", ("transcript", "text", "sentence"), "plain text"),
)
_SUMMARIZED = (
    Column("document", _DOCUMENTS, "plain text"),
    Column("summary", _SUMMARIES, "texts"),
)
_LABELS = ("label", "labels", "target", "class", "y")


@dataclass(frozen=True, kw_only=True)
class InputKind:
    """One row of the table."""

    columns: tuple[Column, ...]
    """Those of the inputs, then that of the targets; the last one's is the constant TARGET."""
    lengths: Callable[[Any, Cells], Lengths] | None
    """Tokens of all rows, by tokenizer and cells; None where a row has no tokens to cut."""
    packed: bool = False
    """Whether the texts of all rows are joined, and cut into blocks."""
    files: Mapping[str, str] = field(default_factory=lambda: _FRAMES)
    """By a file's ending, the module whose ``read_frame`` reads it."""
    constants: Callable[[Facts], dict[str, Any]] = lambda facts: {}
    """Further constants of the program: a rate, a size of images, how long answers are."""


def _of_text(tokenizer: Any, cells: Cells) -> Lengths:
    return Lengths(_counts(tokenizer, cells["text"]))


def _of_document(tokenizer: Any, cells: Cells) -> Lengths:
    return Lengths(_counts(tokenizer, cells["document"]))


def _of_related(tokenizer: Any, cells: Cells) -> Lengths:
    counts = [_counts(tokenizer, column) for column in cells.values()]
    return Lengths([max(row) for row in zip(*counts, strict=True)])


def _counts(tokenizer: Any, cells: Iterable[Any]) -> list[int]:
    found = tokenizer(texts_of(cells), verbose=False)["input_ids"]
    return [len(tokens) for tokens in found]


def _columns_of_related(facts: Facts) -> dict[str, Any]:
    names = (facts.columns.get(key, "") for key in ("ANCHOR", "POSITIVE", "NEGATIVE"))
    return {"COLUMNS": [name for name in names if name], "TEMPERATURE": 0.05}


def _of_words(tokenizer: Any, cells: Cells) -> Lengths:
    words = [list(cell) for cell in cells["tokens"]]
    found = tokenizer(words, is_split_into_words=True, verbose=False)["input_ids"]
    return Lengths([len(tokens) for tokens in found])


KINDS: Mapping[str, InputKind] = {
    "labelled text": InputKind(
        columns=(
            Column("text", _TEXTS, "text", may_lack=True),
            Column("target", _LABELS, "label"),
        ),
        lengths=_of_text,
    ),
    "tagged words": InputKind(
        columns=(
            Column("tokens", ("tokens", "words"), "words"),
            Column("tags", ("tags", "ner_tags", "labels"), "tags"),
        ),
        lengths=_of_words,
    ),
    "running text": InputKind(
        columns=(Column("text", _TEXTS, "text"),),
        lengths=None,
        packed=True,
        files={**_FRAMES, ".txt": f"{_FRAGMENTS}.text_file"},
        constants=of_blocks,
    ),
    "prompts": InputKind(
        columns=(
            Column("prompt", ("prompt", "question", "instruction"), "plain text"),
            Column("answer", ("answer", "response", "completion", "output"), "plain text"),
        ),
        lengths=pairs_of(PLAIN, "prompt", "answer"),
        constants=of_prompts,
    ),
    "conversations": InputKind(
        columns=(Column("messages", ("messages",), "messages"),),
        lengths=lengths_of_chats,
        constants=of_chats,
    ),
    "documents": InputKind(
        columns=(
            Column("document", _DOCUMENTS, "plain text"),
            Column("summary", _SUMMARIES, "texts"),
        ),
        lengths=pairs_of(SUMMARY, "document", "summary"),
        constants=of_summaries,
    ),
    "documents to encode": InputKind(
        columns=(
            Column("document", _DOCUMENTS, "plain text"),
            Column("summary", _SUMMARIES, "texts"),
        ),
        lengths=_of_document,
        constants=of_text_to_text,
    ),
    "preferences": InputKind(
        columns=(
            Column("prompt", ("prompt", "question", "instruction"), "plain text"),
            Column("chosen", ("chosen",), "plain text"),
            Column("rejected", ("rejected",), "plain text"),
        ),
        lengths=pairs_of(PLAIN, "prompt", "chosen", "rejected"),
        constants=of_preferences,
    ),
    "related texts": InputKind(
        columns=(
            Column("negative", ("negative",), "plain text", optional=True),
            Column("anchor", ("anchor", "question", "query"), "plain text"),
            Column("positive", ("positive", "answer", "passage"), "plain text"),
        ),
        lengths=_of_related,
        constants=_columns_of_related,
    ),
    "speech to write": InputKind(
        columns=_SPEECH,
        lengths=None,
        constants=of_speech,
    ),
    "speech to align": InputKind(
        columns=_SPEECH,
        lengths=None,
        constants=of_alignment,
    ),
}
"""Every kind of rows, by its name in ``FinetuningTask.kind``."""
