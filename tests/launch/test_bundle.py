"""Is what is shipped what the user sees, and is too much refused with what makes it so?"""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from raygen.errors import RunError
from raygen.launch import bundle
from raygen.launch.bundle import bundle_of

pytest.importorskip("pathspec")


def write(folder: Path, **files: int) -> None:
    """Files of so many bytes that cannot be packed."""
    for name, size in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))


def test_ignored_files_stay_here(tmp_path: Path) -> None:
    """.gitignore of every folder counts below it, .rayignore too; runs and .git never go along."""
    write(
        tmp_path, config=1, data__a=1, data__b=1, src__x=1, src__keep=1, runs__r=1, deep__runs__r=1
    )
    (tmp_path / ".git").mkdir()
    write(tmp_path / ".git", objects=1)
    (tmp_path / ".gitignore").write_text("data/*\n!data/b\n")
    (tmp_path / "src" / ".gitignore").write_text("/x\n")
    (tmp_path / ".rayignore").write_text(".rayignore\n")

    names = [name for name, _ in bundle_of(tmp_path).files]

    assert names == [".gitignore", "config", "data/b", "src/.gitignore", "src/keep"]


def test_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    """So that Ray sends them once; and what starts the job is among them."""
    write(tmp_path, config=10)
    first = bundle_of(tmp_path).packed()
    os.utime(tmp_path / "config", (1, 1))

    assert bundle_of(tmp_path).packed() == first
    assert "job_start.py" in zipfile.ZipFile(io.BytesIO(first)).namelist()


def test_too_much_is_refused_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest folders are named, the limit, and what to write."""
    monkeypatch.setattr(bundle, "MOST_BYTES", 50_000)
    write(tmp_path, config=10, images__a=60_000, notes__b=2_000)

    with pytest.raises(RunError) as caught:
        bundle_of(tmp_path).packed()

    told = str(caught.value)
    assert "images/ 58.6 kB, notes/ 2.0 kB" in told
    assert "Ray's job server takes 48.8 kB; name in .rayignore" in told
    write(tmp_path, images__c=500_000)
    with pytest.raises(RunError, match=r"takes 48\.8 kB, packed"):
        bundle_of(tmp_path)


def test_what_cannot_be_shipped_is_told(tmp_path: Path) -> None:
    """A pattern that is none, and a name that no zip can hold."""
    (tmp_path / ".gitignore").write_text("*.csv\n\\\n")
    with pytest.raises(RunError, match=r"\.gitignore:2: "):
        bundle_of(tmp_path)

    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.dat")).touch()
    (tmp_path / ".gitignore").write_text("*.dat\n")
    assert [name for name, _ in bundle_of(tmp_path).files] == [".gitignore"]
    (tmp_path / ".gitignore").write_text("")
    with pytest.raises(RunError, match=r"is not UTF-8; .* rename it"):
        bundle_of(tmp_path)
