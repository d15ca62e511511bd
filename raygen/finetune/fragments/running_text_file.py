"""Which part of a text file is for training, and which for the test?"""

from __future__ import annotations

from pathlib import Path


def cut_texts(path: str) -> tuple[list[str], list[str]]:
    """The first 90 % of the characters, and the rest."""
    text = Path(path).read_text(encoding="utf-8")
    end = len(text) * 9 // 10
    return [text[:end]], [text[end:]]


def read_texts(path: str) -> list[str]:
    """The lines of a file."""
    return Path(path).read_text(encoding="utf-8").splitlines()
