"""How fast are the samples that a model hears, and how long sounds and transcripts?"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from raygen.data.request import told
from raygen.errors import DataError, EnvironmentProblem
from raygen.finetune.facts import Facts
from raygen.finetune.pretrained import load_tokenizer
from raygen.finetune.tokens import padding
from raygen.uris import is_uri

_SECONDS = 30
"""Longer sounds are cut."""


def of_speech(facts: Facts) -> dict[str, Any]:
    """Constants of a model that hears and writes, such as Whisper."""
    config = json.loads((facts.folder / "config.json").read_text(encoding="utf-8"))
    tokenizer, start = facts.tokenizer, config["decoder_start_token_id"]
    longest = max(len(tokens) for tokens in _encoded(facts, tokenizer))
    said = tokenizer.encode("a")
    before = said[: said.index(tokenizer.encode("a", add_special_tokens=False)[0])]
    return {
        **_sounds(facts),
        "NEW_TOKENS": min(2 * longest, int(config.get("max_target_positions", 448)) // 2),
        "START": start,
        "PREFIX": before if before[:1] == [start] else [start, *before],
        "END": tokenizer.eos_token_id,
    }


def of_alignment(facts: Facts) -> dict[str, Any]:
    """Constants of a model that names the sound of each moment, such as Wav2Vec2."""
    tokenizer = load_tokenizer(facts.folder, where=facts.where, fast=False)
    encoded = _encoded(facts, tokenizer)
    unknown = [
        text
        for text, tokens in zip(facts.cells["transcript"], encoded, strict=True)
        if tokenizer.unk_token_id in tokens
    ]
    if unknown:
        letters = [word for word in tokenizer.get_vocab() if len(word) == 1]
        raise DataError(
            f"{len(unknown)} transcripts have letters that the model does not know, "
            f"such as {unknown[0][:40]!r}",
            where=facts.request.where("task.dataset.transcript"),
            must=f"it knows {told(letters, 60)}",
        )
    lengths = max(len(tokens) for tokens in encoded)
    return {**_sounds(facts), "NEW_TOKENS": lengths, "START": -1, "PAD": padding(tokenizer)}


def _encoded(facts: Facts, tokenizer: Any) -> list[list[int]]:
    return [list(tokenizer.encode(str(text))) for text in facts.cells["transcript"]]


def _sounds(facts: Facts) -> dict[str, int]:
    """The rate that the model hears at, and the length of the longest sound."""
    file = facts.folder / "preprocessor_config.json"
    if not file.is_file():
        must = "a model of speech must have a preprocessor_config.json"
        raise DataError(f"{facts.folder} has none", where=facts.where, must=must)
    rate = int(json.loads(file.read_text(encoding="utf-8")).get("sampling_rate", 16_000))
    seconds = max(_seconds(facts, cell) for cell in facts.cells["audio"])
    return {"RATE": rate, "SAMPLES": int(min(seconds, _SECONDS) * rate) + 1}


def _seconds(facts: Facts, cell: Any) -> float:
    try:
        from scipy.io import wavfile
    except ImportError:
        remedy = "type pip install scipy"
        raise EnvironmentProblem("scipy is not installed", remedy=remedy) from None
    content = cell["bytes"] if isinstance(cell, dict) else cell
    named = str(content)[:80] if isinstance(content, str) else "a cell of bytes"
    file = Path(facts.uri).parent / content if isinstance(content, str) else io.BytesIO(content)
    try:
        rate, wave = wavfile.read(file, mmap=isinstance(content, str))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{named} cannot be read: {' '.join(str(error).split())[:100]}",
            where=facts.request.where("task.dataset.audio"),
            must="it must be a wav file, its path from the folder of the table",
            remedy="a table at a URI comes alone: give one that holds the bytes of its sounds"
            if is_uri(facts.request.dataset.path)
            else "",
        ) from None
    if not wave.size or not rate:
        raise DataError(
            f"{named} has no samples",
            where=facts.request.where("task.dataset.audio"),
            must="there must be something to hear",
            remedy="remove its row",
        )
    return float(len(wave) / rate)
