"""What the tests of clusters share: a fake Slurm, a folder, the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_slurm import FakeSlurm


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """Its programs come first on the path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return FakeSlurm(folder)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a config and a cluster file, in which commands are typed."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "config.yaml").write_text(
        "task: {name: ImageClassification, dataset: {name: digits}}\n"
    )
    (folder / "slurm.yaml").write_text("slurm: {nodes: 2, cpus_per_node: 4}\n")
    return folder


@pytest.fixture
def raygen(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """The command line: its exit code and what it prints."""
    from raygen import cli

    def run(*words: str) -> tuple[int, str]:
        before, sys.argv = sys.argv, ["raygen", *words]
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            sys.argv = before
        told = capsys.readouterr()
        return code, told.out + told.err

    return run
