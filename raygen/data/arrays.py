"""What are the rows of a data set, for those who look at them in Python?

Example:
    >>> x, y = load_dataset("digits", "train")
    >>> x.shape
    (1437, 8, 8, 1)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from raygen.data.inspect import BUNDLED, HUB_NAMES, inspect
from raygen.data.loaders import load_arrays
from raygen.data.spec import Modality
from raygen.errors import ConfigError
from raygen.uris import is_uri


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The keys of ``task.dataset``, where no YAML gives them."""

    name: str | None = None
    path: str | None = None
    target: str | None = None
    text: str | None = None
    image: str | None = None
    train_split: str | None = None
    test_split: str | None = None
    image_size: int | None = None
    max_length: int | None = None
    ignore: tuple[str, ...] = ()


def load_dataset(
    name: str,
    split: str = "train",
    *,
    modality: Modality | None = None,
    regression: bool | None = None,
    target: str | None = None,
    text: str | None = None,
    image: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Load the rows of one split, as the loader in a ``model.py`` gives them.

    Args:
        name: A bundled data set, a file or folder, by its path or a URI, or a data set of the
            Hugging Face hub.
        split: ``train`` or ``test``, or another split that the data has; ``train+dev`` joins two.
        modality: What one row is; needs to be said for tables and where no name tells.
        regression: Whether the target is a number; by default only that of diabetes is.
        target: Column to predict, where its name does not tell.
        text: Column of the text, where its name does not tell.
        image: Column of the image, where its name does not tell.

    Returns:
        The inputs: images as uint8 (N, H, W, C), rows of a table as float64 (N, columns) with
        categories hashed, or texts as int64 (N, tokens) of hashes; and the targets: class numbers
        (int64) or numbers (float64).

    Raises:
        ConfigError: The name is not known, or what it holds is not.
        DataError: The data is not there or cannot be read.
    """
    is_path = is_uri(name) or (Path(name).exists() and name not in (*BUNDLED, *HUB_NAMES))
    trains = split == "train" or "+" in split
    asked = Asked(
        name=None if is_path else name,
        path=name if is_path else None,
        target=target,
        text=text,
        image=image,
        train_split=split if trains else None,
        test_split=None if trains else split,
    )
    if regression is None:
        regression = name == "diabetes"
    kind = modality or _guess_modality(name, asked)
    arrays = load_arrays(inspect(asked, modality=kind, regression=regression, folds=1))
    return (arrays["x"], arrays["y"]) if trains else (arrays["x_test"], arrays["y_test"])


def _guess_modality(name: str, asked: Asked) -> Modality:
    if asked.text or name in ("ag_news", "imdb", "sst2"):
        return "text"
    images = ("digits", "cifar10", "fashion_mnist", "mnist")
    if asked.image or name in images or name.endswith(".npz") or Path(name).is_dir():
        return "image"
    if name in BUNDLED:
        return "table"
    raise ConfigError(
        "what is one row of it?", where=name, remedy="say modality='image', 'table' or 'text'"
    )
