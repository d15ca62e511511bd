"""Of what size and colours are encoded images, by their headers?"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from raygen.data.request import Request

HEADERS = 1000
"""Images that are looked at; those behind them are brought to the same size all the same."""
DECODED = 50_000_000
"""Pixels of the images among them that are decoded: a second or two."""
LARGEST_SIDE = 128
"""Images of one size are kept as they are up to this many pixels."""
DEFAULT_SIDE = 64
"""Side of the square to which larger images, and those of several sizes, are brought."""

NOT_DECODED = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
"""Kinds of files that Pillow knows, but not without other programs turns into pixels."""


def image_constants(
    request: Request, files: Iterable[tuple[str, Path | BinaryIO]]
) -> dict[str, Any]:
    """Choose IMAGE_SIZE (width, height) and IMAGE_MODE ("L" for grey, or "RGB").

    Args:
        request: May give the size.
        files: Each with the words that name it in a message.

    Raises:
        DataError: One of them is no image.
    """
    from PIL import Image  # only where images are encoded

    sizes, modes, pixels = set(), set(), 0
    for (name, file), _ in zip(files, range(HEADERS), strict=False):
        try:
            with Image.open(file) as image:
                sizes.add(image.size)
                modes.add(image.mode)
                pixels += image.width * image.height
                if pixels <= DECODED:
                    image.load()  # which finds what is cut off or damaged behind the header
        except Exception as error:  # each of Pillow's formats has errors of its own
            told_error = " ".join(str(error).split())[:200]
            problem = f"{name} is not an image that can be read: {told_error}"
            raise request.data_error(problem) from error
    return {
        "IMAGE_SIZE": _size(request.dataset.image_size, sizes),
        "IMAGE_MODE": "L" if modes <= {"1", "L", "LA"} else "RGB",
    }


@functools.cache
def image_suffixes() -> frozenset[str]:
    """List how the names of images end that Pillow reads, in lower case."""
    from PIL import Image

    extensions = Image.registered_extensions()  # this loads all kinds, so it comes first
    kinds = {*Image.OPEN} - NOT_DECODED
    return frozenset(suffix for suffix, kind in extensions.items() if kind in kinds)


def is_image(file: Path) -> bool:
    """Tell by its first bytes whether a file is an image, whatever its name."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            return image.format not in NOT_DECODED
    except Exception:  # each of Pillow's formats has errors of its own
        return False


def image_shape(constants: dict[str, Any]) -> tuple[int, int, int]:
    """Give height, width and channels of the decoded images."""
    width, height = constants["IMAGE_SIZE"]
    return height, width, 1 if constants["IMAGE_MODE"] == "L" else 3


def _size(given: int | None, sizes: set[tuple[int, int]]) -> tuple[int, int]:
    if given:
        return given, given
    if len(sizes) == 1 and max(max(size) for size in sizes) <= LARGEST_SIDE:
        return next(iter(sizes))
    return DEFAULT_SIDE, DEFAULT_SIDE
