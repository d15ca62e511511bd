"""Fixtures that every folder of tests may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the checkout; tests that need it are skipped without."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder shared/data is not beside the checkout")
    return folder


@pytest.fixture(scope="module")
def one_ray() -> Iterator[None]:
    """Ray, started once for all tests of a file."""
    from raygen.config.schema import Resources
    from raygen.execute.session import session

    with session(Resources(), lambda: None):
        yield


@pytest.fixture
def on_one_ray(one_ray: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the runs of a test share the Ray of its file."""
    from raygen.execute.room import Room

    monkeypatch.setattr(
        "raygen.execute.session.session", lambda wanted, _: nullcontext(Room(wanted, shared=False))
    )
