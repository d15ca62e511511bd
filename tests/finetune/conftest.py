"""Fixtures of a tiny pretrained model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("peft")
from tiny import tagged, texts, tiny_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random BERT."""
    return tiny_model(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with data sets."""
    texts(tmp_path)
    tagged(tmp_path)
    return tmp_path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Images of two sizes that are bright on the left or on the right."""
    rng = np.random.default_rng(0)
    for name in ("left", "right"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(30):
            shape = (20, 24, 3) if number % 2 else (32, 32, 3)
            image = rng.integers(0, 100, shape)
            half = np.s_[:, : shape[1] // 2] if name == "left" else np.s_[:, shape[1] // 2 :]
            image[half] += 120
            file = tmp_path / "photos" / name / f"{number}.png"
            Image.fromarray(image.astype(np.uint8)).save(file)
    return tmp_path / "photos"
