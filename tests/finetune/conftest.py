"""Fixtures of a tiny pretrained model."""

from __future__ import annotations

from pathlib import Path

import pytest

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
