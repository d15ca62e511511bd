"""What is known of data set and model when the constants of a program are chosen?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from raygen.data.request import Request
from raygen.finetune.anatomy import Anatomy
from raygen.finetune.pretrained import load_tokenizer
from raygen.finetune.tokens import Lengths, longest_row

Cells = Mapping[str, list[Any]]
"""The cells of each column, by the column's key; those of an optional one may be missing."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the data set and the model are."""

    request: Request
    uri: str
    folder: Path
    """Of the pretrained model."""
    where: str
    """Where the YAML names the model."""
    anatomy: Anatomy
    reserved: int
    """Tokens of the model's length that the method takes for itself."""
    columns: Mapping[str, str]
    """Names of columns by their constants."""
    cells: Cells
    """Of the first many rows, those for training and then those for the test."""
    max_length: int = 0
    """Tokens that are kept of a row; 0 where nothing says yet."""
    lengths: Lengths = field(default_factory=Lengths)
    """Of all these rows, where rows have tokens to cut."""

    @cached_property
    def tokenizer(self) -> Any:
        """That of the model."""
        return load_tokenizer(self.folder, where=self.where)

    @property
    def longest(self) -> int:
        """The longest row that the model takes."""
        return longest_row(self.anatomy, self.tokenizer, self.reserved)
