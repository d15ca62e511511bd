"""What is known of data set and model when the constants of a program are chosen?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from raygen.data.request import Request
from raygen.errors import DataError
from raygen.finetune.anatomy import Anatomy
from raygen.finetune.pretrained import load_tokenizer
from raygen.finetune.tokens import Lengths, highest_token, longest_row

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
        """That of the model, which must know all its tokens.

        Raises:
            DataError: It has none that can be read, or one of another model.
        """
        found, known = load_tokenizer(self.folder, where=self.where), self.anatomy.vocabulary
        highest = highest_token(found)
        if 0 < known <= highest:
            raise DataError(
                f"the tokenizer has tokens up to {highest}, the model up to {known - 1}",
                where=self.where,
                must="the model must know all tokens of its tokenizer",
                remedy="take the model's own, or save it after "
                f"model.resize_token_embeddings({highest + 1})",
            )
        return found

    @property
    def longest(self) -> int:
        """The longest row that the model takes."""
        return longest_row(self.anatomy, self.tokenizer, self.reserved)
