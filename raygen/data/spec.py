"""What is known of a data set before anything is trained on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Modality = Literal["image", "table", "text"]
Split = Literal["stratified", "grouped", "leave-one-group-out", "ordered", "column", "function"]


@dataclass(frozen=True, kw_only=True)
class Deal:
    """How rows are dealt into folds, as the YAML says it."""

    split: Split = "stratified"
    by: str | None = None
    """Column of the groups, of the order or of the folds; None where no column tells."""
    repeats: int = 1
    """How often."""
    window: int | None = None
    """Rows in order that a fold trains on, at most."""
    gap: int = 0
    """Rows in order between those that a fold trains on and those that it holds out."""
    function: str = ""
    """Of the user's own: ``path/to/file.py:function``."""


STRATIFIED = Deal()
"""Once, by their target."""


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """The shape and the facts of one data set, as the network and the folds need them."""

    uri: str
    """The bundled name, the path or the hub name."""
    source: str
    """How it is read: a source of ``loaders.LOADERS``: digits, npz, folder, csv, parquet, ..."""
    modality: Modality
    sha: str
    """Fingerprint: sha256 of the file (or of names, sizes and times for a folder), 16 digits."""
    num_rows: int
    """Training rows, the test rows already cut off."""
    num_test_rows: int
    input_shape: tuple[int, ...]
    """Of one row as the network sees it: (height, width, channels), (width,) or (length,)."""
    classes: tuple[str | int, ...] = ()
    """Labels in the order of their index; empty for a regression."""
    class_counts: tuple[int, ...] = ()
    """Training rows of each class."""
    split: Split = "stratified"
    """How rows are dealt into folds."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    """Values for the constants of the loader's fragments."""
    left_out: str = ""
    """How many rows are not used, and why; empty if all are."""

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 for a regression."""
        return len(self.classes)

    @property
    def num_outputs(self) -> int:
        """Width of the network's last layer."""
        return max(1, len(self.classes))
