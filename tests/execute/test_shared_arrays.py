from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from raygen.execute.arrays import forget_arrays, map_arrays, share_arrays
from raygen.execute.reading import NAMES, Reading, state_of


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


READS = """
import os
import numpy as np


def load_data():
    with open(os.environ["NOTES"], "a") as notes:
        notes.write("read\\n")
    return np.arange(6), np.array([1, 2]), np.zeros((0, 3)), np.array([int(os.environ["LABEL"])])
"""


@pytest.fixture
def reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reading:
    """Of rows that a text makes, which notes that it was asked for them."""
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    monkeypatch.setenv("LABEL", "3")
    arrays = (np.arange(6), np.array([1, 2]), np.zeros((0, 3)), np.array([3]))
    rows = dict(zip(NAMES, arrays, strict=True))
    return Reading(text=READS, function="load_data", state=state_of(rows))


def test_what_a_node_reads_for_itself_is_read_once(reading: Reading, tmp_path: Path) -> None:
    """Several workers ask at once, and share what the first has read."""
    with ThreadPoolExecutor(4) as threads:
        folders = set(threads.map(lambda _: share_arrays(reading, "key"), range(4)))

    [folder] = folders
    np.testing.assert_array_equal(map_arrays(folder)["x"], np.arange(6))
    assert (tmp_path / "notes").read_text() == "read\n"
    forget_arrays("key")
    assert list(folder.parent.iterdir()) == []


def test_other_rows_than_those_of_the_driver_are_refused(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run is about the same rows on all nodes."""
    monkeypatch.setenv("LABEL", "4")

    with pytest.raises(OSError, match="the data set has changed since the run was begun"):
        share_arrays(reading, "key")


ON_A_CLUSTER = """
import os, ray
from ray.cluster_utils import Cluster
from raygen.config.resources_section import Resources
from raygen.errors import EnvironmentProblem
from raygen.execute.reading import read_on_nodes
from raygen.execute.session import session


def read():
    raise OSError("no credentials")


cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
os.environ["RAY_ADDRESS"] = cluster.address
with session(Resources(), lambda: None):
    read_on_nodes(read, lambda: True)  # there is none but this
    cluster.add_node(num_cpus=1)
    read_on_nodes(dict, lambda: True)
    try:
        read_on_nodes(read, lambda: True)
    except EnvironmentProblem as error:
        print(error)
cluster.shutdown()
"""


@pytest.mark.ray
def test_a_node_that_cannot_read_is_named(tmp_path: Path) -> None:
    """Before anything is trained, in one line."""
    settings = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    done = subprocess.run(
        [sys.executable, "-c", ON_A_CLUSTER],
        cwd=tmp_path,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )

    assert re.fullmatch(
        r"node [\d.]+: OSError: no credentials; each node reads the data set for itself; give Ray "
        r"on that node the packages and the credentials for it",
        done.stdout.strip(),
    ), done.stdout + done.stderr
