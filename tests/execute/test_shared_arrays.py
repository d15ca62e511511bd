from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from raygen.execute.arrays import map_arrays, share_arrays


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which this node's scratch folder lies."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


ARRAYS = {
    "x": np.arange(24, dtype=np.uint8).reshape(2, 3, 4).transpose(2, 0, 1),
    "y": np.array([0.5, np.nan]),
    "x_test": np.zeros((0, 3)),
}


def test_what_is_mapped_is_what_was_shared() -> None:
    """Values, shapes and types come back, whatever the order in memory; empty arrays too."""
    found = map_arrays(share_arrays(ARRAYS, "key"))

    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_mapped_arrays_cannot_be_written() -> None:
    """No trial can spoil the data of the next one."""
    found = map_arrays(share_arrays(ARRAYS, "key"))

    with pytest.raises(ValueError, match="read-only"):
        found["y"][0] = 1


def test_the_second_worker_of_a_node_uses_the_files_of_the_first() -> None:
    """The same key is written once; another key lies elsewhere."""
    first = share_arrays(ARRAYS, "key")
    written = (first / "x.npy").stat()

    again = share_arrays({name: array * 0 for name, array in ARRAYS.items()}, "key")
    other = share_arrays(ARRAYS, "other")

    assert again == first
    assert (again / "x.npy").stat().st_ino == written.st_ino
    assert other != first


def test_two_workers_at_once_leave_one_copy(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes second throws its own draft away."""
    make = tempfile.mkdtemp

    def beaten(**where: str) -> str:
        monkeypatch.setattr(tempfile, "mkdtemp", make)
        share_arrays(ARRAYS, "key")  # the other worker, while ours has only looked
        return make(**where)

    monkeypatch.setattr(tempfile, "mkdtemp", beaten)

    folder = share_arrays(ARRAYS, "key")

    assert [file.name for file in folder.parent.iterdir()] == ["key"]
    np.testing.assert_array_equal(map_arrays(folder)["x"], ARRAYS["x"])


def test_a_scratch_folder_that_others_can_write_to_is_not_used(scratch: Path) -> None:
    """Nobody can plant arrays: neither by an open folder nor by a link."""
    own = scratch / f"raygen-{os.getuid()}"
    own.mkdir()
    own.chmod(0o777)
    assert share_arrays(ARRAYS, "key").parent != own

    own.rmdir()
    (scratch / "elsewhere").mkdir(mode=0o700)
    own.symlink_to(scratch / "elsewhere")
    assert share_arrays(ARRAYS, "key").parent != own
