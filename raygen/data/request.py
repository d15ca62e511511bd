"""What data set does the YAML ask for, and what shall be learned from it?"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from raygen.data.spec import STRATIFIED, Deal, Modality
from raygen.errors import ConfigError, DataError

TEST_SPLITS = ("test", "validation", "valid", "val", "dev")
"""Splits whose rows are the test rows where the YAML names none; the first that is there."""


class DatasetSection(Protocol):
    """The keys below ``task.dataset`` of the YAML; those not given are None."""

    @property
    def name(self) -> str | None:
        """A bundled data set or one of the hub."""

    @property
    def path(self) -> str | None:
        """A file, or a folder of images."""

    @property
    def target(self) -> str | None:
        """Column to predict."""

    @property
    def text(self) -> str | None:
        """Column of the text."""

    @property
    def image(self) -> str | None:
        """Column of the encoded image."""

    @property
    def train_split(self) -> str | None:
        """Split (or splits: ``train+dev``) of the training rows."""

    @property
    def test_split(self) -> str | None:
        """Split of the test rows."""

    @property
    def image_size(self) -> int | None:
        """Side of the square to which images are resized, in pixels."""

    @property
    def max_length(self) -> int | None:
        """Tokens of a text that are read."""

    @property
    def ignore(self) -> Sequence[str]:
        """Columns of a table that are no inputs."""


class Origin(Protocol):
    """Knows file and line of every key (``raygen.config.origin.Origin`` does)."""

    def where(self, path: str, /) -> str:
        """Return for example ``config.yaml:3: task.dataset.path``."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A data set as the YAML names it, and what it is wanted for."""

    dataset: DatasetSection
    """The section ``task.dataset``."""
    modality: Modality
    """What one row is."""
    regression: bool
    """Whether the target is a number rather than a class."""
    folds: int
    """Folds of the cross-validation: each needs a row of every class."""
    origin: Origin | None
    """Says where a key stands; None for data sets that no YAML names."""

    deal: Deal = STRATIFIED
    """How rows are dealt into folds."""

    def where(self, key: str) -> str:
        """Say where a key of the YAML stands, for example ``task.dataset.target``."""
        return self.origin.where(key) if self.origin else key.removeprefix("task.dataset.")

    @property
    def by(self) -> str | None:
        """Column by which rows are dealt; None where none tells."""
        return self.deal.by

    @property
    def data_key(self) -> str:
        """The key that names the data: ``task.dataset.name`` or ``task.dataset.path``."""
        return f"task.dataset.{'path' if self.dataset.path else 'name'}"

    def data_error(
        self, problem: str, *, key: str = "", must: str = "", remedy: str = ""
    ) -> DataError:
        """Say that the data is not as the YAML says; the key defaults to the one that names it."""
        where = self.where(key or self.data_key)
        return DataError(problem, where=where, must=must, remedy=remedy)

    def config_error(
        self, problem: str, *, key: str = "", must: str = "", remedy: str = ""
    ) -> ConfigError:
        """Say that the YAML asks for what cannot be; the key defaults to that of the data."""
        where = self.where(key or self.data_key)
        return ConfigError(problem, where=where, must=must, remedy=remedy)


def near_miss(given: str, known: Iterable[str]) -> str:
    """Ask "did you mean ...?" where one of the known names is close, else nothing."""
    by_folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(given.casefold(), by_folded, n=1)
    return f"did you mean {by_folded[close[0]]!r}?" if close else ""


def told(names: Iterable[object], limit: int = 20) -> str:
    """List names for a message, the first of many only."""
    shown = [str(name) for name in names]
    rest = f", ... ({len(shown)} in all)" if len(shown) > limit else ""
    return (", ".join(shown[:limit]) or "nothing") + rest
