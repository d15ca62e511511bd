"""What flows between two layers: an image, a sequence, tokens or a vector, without the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from raygen.errors import RaygenError


class ShapeError(RaygenError):
    """A layer cannot take what the layer before it gives."""


@dataclass(frozen=True)
class Shape:
    """One row of a batch, channels last whatever the framework's own order is."""

    kind: Literal["image", "sequence", "tokens", "vector"]
    dims: tuple[int, ...]
    """(height, width, channels), (length, channels), (length,) or (width,)."""

    @property
    def channels(self) -> int:
        """The last dimension."""
        return self.dims[-1]

    @property
    def size(self) -> int:
        """Numbers in one row."""
        product = 1
        for dim in self.dims:
            product *= dim
        return product

    def with_channels(self, channels: int) -> Shape:
        """The same shape with another last dimension."""
        return Shape(self.kind, (*self.dims[:-1], channels))

    def __str__(self) -> str:
        article = "an image" if self.kind == "image" else f"a {self.kind}"
        if self.kind == "tokens":
            return f"{self.dims[0]} tokens"
        return f"{article} of {'x'.join(map(str, self.dims))}"


def require(shape: Shape, *kinds: str, layer: str, remedy: str = "") -> None:
    """Check that a layer is given one of the kinds of shape it works on.

    Raises:
        ShapeError: It is given something else.
    """
    if shape.kind not in kinds:
        raise ShapeError(
            f"{layer} is given {shape}", must=f"it takes {' or '.join(kinds)}", remedy=remedy
        )
