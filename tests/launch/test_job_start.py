"""Is what the cluster lacks named before RayGen is even imported there?"""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from raygen import __version__
from raygen.begin import begin
from raygen.errors import RunError
from raygen.launch import job_start


def refused(wanted: str) -> str:
    """What it ends with."""
    with pytest.raises(SystemExit) as caught:
        job_start.main(wanted, "2", "/shared/runs/x")
    return str(caught.value)


def test_it_becomes_the_run_where_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same process goes on, with the same words."""
    became: list[list[str]] = []
    monkeypatch.setattr(job_start.os, "execv", lambda _, words: became.append(words))

    job_start.main(__version__, "2", "a b")

    assert became == [[sys.executable, "-m", "raygen.begin", "2", "a b"]]


def test_another_version_is_named() -> None:
    """Both versions, and what mends it."""
    told = refused("9.9.9")

    assert f"its RayGen is {__version__}; it must be 9.9.9; mend setup_commands" in told


def test_no_raygen_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the Python that has none."""
    monkeypatch.setitem(sys.modules, "raygen", None)

    told = refused("0.1.0")

    assert sys.executable in told
    assert "RayGen 0.1.0 must be there" in told


def test_packages_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than a traceback of whatever imports one first."""
    needed = ["numpy>=1.26", "no-such-thing[x]>=3", 'nor-this; extra == "torch"']
    monkeypatch.setattr(metadata, "requires", lambda name: needed)

    assert "RayGen is there, but not no-such-thing; mend" in refused(__version__)


def test_an_old_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is imported that it could not read."""
    monkeypatch.setattr(job_start.sys, "version_info", (3, 8, 1, "final", 0))

    assert "Error: Python 3.8.1 of the cluster" in refused("0.1.0")
    assert "it must be 3.10 or newer" in refused("0.1.0")


def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Ray is asked for anything."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")

    with pytest.raises(RunError, match=r"file/run: cannot be written on the cluster: Not a dir"):
        begin(1, 1, tmp_path / "file" / "run", "config.yaml", ())
