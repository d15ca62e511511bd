"""What does the rest of RayGen ask of whatever writes the programs of a run?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from raygen.config.space import Space
from raygen.source.candidate import Candidate, Source
from raygen.tasks.task import Objective

if TYPE_CHECKING:
    import numpy as np

Changes = Sequence[tuple[int, Mapping[str, Any]]]
"""What a candidate is trained with instead, each from a number of epochs on."""


class AnyBlueprint(Protocol):
    """All that the candidates of one run have in common, be they networks or the user's own."""

    @property
    def name(self) -> str:
        """Of the experiment."""

    @property
    def space(self) -> Space:
        """What is searched."""

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What candidates are searched by; the first also ranks them."""

    @property
    def metric(self) -> str:
        """The name of the first objective."""

    @property
    def seed(self) -> int:
        """Of every random choice in a program."""

    @property
    def epochs(self) -> int:
        """Of a whole training."""

    @property
    def folds(self) -> int:
        """Into which the rows are dealt for the ranking; 0 if there is nothing to deal."""

    @property
    def packages(self) -> tuple[str, ...]:
        """What must be installed to run a program, as far as it is known."""

    @property
    def data_sha(self) -> str:
        """Fingerprint of what programs read besides themselves: it must not change in a run."""

    @property
    def data_text(self) -> str:
        """What says how it is read; the same text and fingerprint, the same arrays."""

    @property
    def reads_by(self) -> str:
        """The function in that text by which any node can read it; empty if none but this can."""

    @property
    def can_resume(self) -> bool:
        """Whether a program, as far as it can be seen, saves checkpoints and goes on from them."""

    @property
    def left_out(self) -> str:
        """What of the data is not used, or cut; empty if nothing is, or nobody knows."""

    def told(self) -> str:
        """The data and what is predicted of it, in a few words for the user."""

    def check(self) -> None:
        """Look at candidates of all kinds without training any.

        Raises:
            SourceError: A candidate cannot be built.
        """

    def repeated(self, repeat: int) -> AnyBlueprint:
        """The same with the seed of a further training of the same candidates; 0 is the first."""

    def render(self, candidate: Candidate, *, changes: Changes = ()) -> Source:
        """Write the program of a candidate.

        Raises:
            SourceError: It cannot be built.
        """

    def num_parameters(self, candidate: Candidate) -> int:
        """Trainable numbers of a candidate; 0 if nobody knows.

        Raises:
            SourceError: It cannot be built.
        """

    def preload(self) -> tuple[str, ...]:
        """The modules that warm workers import ahead of the programs."""

    def load_arrays(self) -> dict[str, np.ndarray]:
        """What ``train`` is given: ``x``, ``y``, ``x_test`` and ``y_test``.

        Raises:
            DataError: The data cannot be read.
        """
