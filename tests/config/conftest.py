from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a text into a file of an empty folder, which becomes the current one."""
    monkeypatch.chdir(tmp_path)

    def write_text(text: str, name: str = "config.yaml") -> Path:
        path = Path(name)
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    return write_text
