"""How the tests of the data layer ask for a data set, and tiny data sets of every kind."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from raygen.data.inspect import inspect
from raygen.data.loaders import inputs_fragment
from raygen.data.spec import DataSpec

KEYS = ("name", "path", "target", "text", "image", "train_split", "test_split")
Ask = Callable[..., DataSpec]


class FakeOrigin:
    """Knows one file, and every key on line 7 of it."""

    def where(self, path: str) -> str:
        """Say where a key stands."""
        return f"config.yaml:7: {path}"


@pytest.fixture
def ask() -> Ask:
    """Inspect a data set by the keys of ``task.dataset``."""

    def inspect_keys(
        modality: Any, *, regression: bool = False, folds: int = 2, **keys: Any
    ) -> DataSpec:
        defaults = dict.fromkeys((*KEYS, "image_size", "max_length")) | {"ignore": ()}
        dataset: Any = SimpleNamespace(**(defaults | keys))
        return inspect(
            dataset, modality=modality, regression=regression, folds=folds, origin=FakeOrigin()
        )

    return inspect_keys


@pytest.fixture
def bind(monkeypatch: pytest.MonkeyPatch) -> Callable[[DataSpec], ModuleType]:
    """Give the preprocessing fragment of a data set the constants of that data set."""

    def bind_constants(spec: DataSpec) -> ModuleType:
        module = importlib.import_module(inputs_fragment(spec))
        for name, value in spec.constants.items():
            monkeypatch.setattr(module, name, value, raising=False)
        return module

    return bind_constants


@pytest.fixture
def table_csv(tmp_path: Path) -> Path:
    """A table with missing values, categories, a constant column, names and digits as text."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "width": rng.normal(size=40),
            "height": rng.integers(0, 9, 40).astype(float),
            "flat": 3,
            "color": rng.choice(["red", "green", "blå"], 40),
            "code": ["7"] * 18 + ["x1"] * 18 + ["08"] * 4,
            "name": [f"row {i}" for i in range(40)],
            "empty": np.nan,
            "kind": ["cat", "dog"] * 20,
            "price": rng.normal(size=40),
        }
    )
    frame.loc[3:8, "height"] = np.nan
    frame.loc[5:6, "color"] = np.nan
    frame.loc[0, "kind"] = np.nan
    frame.to_csv(tmp_path / "table.csv", index=False)
    return tmp_path / "table.csv"


@pytest.fixture
def png() -> Callable[..., bytes]:
    """Encode an image of one shade: ``png(shade, size, mode)``."""
    return encode_png


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """Folders of images of two classes, and a file that is no image."""
    folder = tmp_path / "pictures"
    for shade, label in ((0, "dark"), (200, "light")):
        (folder / label).mkdir(parents=True)
        (folder / label / "notes.txt").write_text("no image")
        for i in range(5):
            (folder / label / f"{i}.png").write_bytes(encode_png(shade + i))
    return folder


def encode_png(shade: int, size: tuple[int, int] = (8, 6), mode: str = "RGB") -> bytes:
    """Encode an image of one shade."""
    buffer = io.BytesIO()
    color: Any = shade if mode == "L" else (shade, shade, shade)
    Image.new(mode, size, color).save(buffer, "PNG")
    return buffer.getvalue()
