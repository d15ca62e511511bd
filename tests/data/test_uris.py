"""Is a data set at a URI the data set that it is at a path, copied once and whole?"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest

from raygen.data.arrays import load_dataset
from raygen.data.fragments.fetch import fetch
from raygen.data.loaders import load_arrays
from raygen.errors import DataError, EnvironmentProblem, RaygenError

FETCH = "from raygen.data.fragments.fetch import fetch; import sys; print(fetch(sys.argv[1]))"


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The store of this process, empty before and after, and an empty folder for copies."""
    monkeypatch.setenv("DATASET_CACHE", str(tmp_path / "cache"))
    store = fsspec.filesystem("memory")
    store.store.clear()
    yield store
    store.store.clear()


def npz(path: Path, classes: int = 2) -> Path:
    """Images of some classes."""
    y = np.arange(40) % classes
    np.savez(path, x=np.full((40, 4, 4), 1, np.uint8) * y.astype(np.uint8)[:, None, None], y=y)
    return path


@pytest.fixture
def every_kind(tmp_path: Path, table_csv: Path, image_folder: Path) -> dict[str, dict[str, Any]]:
    """The keys of a data set of each kind, its path from the test's folder."""
    npz(tmp_path / "shapes.npz")
    frame = pd.read_csv(table_csv)
    frame.to_parquet(tmp_path / "table.parquet")
    keys: dict[str, Any] = {"modality": "table", "target": "kind"}
    (image_folder / "dark").rename(image_folder / "very dark")  # a name that a URL writes otherwise
    return {
        "npz": {"path": "shapes.npz", "modality": "image"},
        "csv": {"path": "table.csv", **keys},
        "parquet": {"path": "table.parquet", **keys},
        "text": {"path": "table.csv", "target": "kind", "modality": "text", "text": "name"},
        "folder": {"path": "pictures", "modality": "image"},
    }


@pytest.mark.parametrize("kind", ["npz", "csv", "parquet", "text", "folder"])
@pytest.mark.parametrize("store", ["http", "memory", "file"])
def test_every_kind_is_what_it_is_at_a_path(
    every_kind: dict[str, dict[str, Any]],
    kind: str,
    store: str,
    web: Any,
    memory: Any,
    tmp_path: Path,
    ask: Callable[..., Any],
) -> None:
    """The same facts and the same arrays, from a program that holds the URI."""
    keys = every_kind[kind]
    roots = {"http": web.uri, "memory": "memory://bucket", "file": f"file://{tmp_path}"}
    if store == "memory":
        memory.put(str(tmp_path / keys["path"]), f"/bucket/{keys['path']}", recursive=True)
    uri = f"{roots[store]}/{keys['path']}"

    expected = ask(**(keys | {"path": str(tmp_path / keys["path"])}))
    found = ask(**(keys | {"path": uri}))

    assert (found.uri, found.constants["DATA"]) == (uri, uri)
    assert kind == "folder" or found.sha == expected.sha
    same = {"uri": "", "sha": "", "constants": {**expected.constants, "DATA": ""}}
    assert replace(found, **same) == replace(expected, **same)
    for name, array in load_arrays(expected).items():
        np.testing.assert_array_equal(load_arrays(found)[name], array)
    assert (tmp_path / "cache").exists() == (store != "file")  # which is read where it lies


def test_a_state_is_copied_once(web: Any, tmp_path: Path) -> None:
    """What has changed is copied anew, and the copy of before stays as it was."""
    path, uri = npz(tmp_path / "a.npz"), f"{web.uri}/a.npz"

    first = fetch(uri)

    assert (fetch(uri), web.loaded) == (first, ["/a.npz"])
    before = Path(first).read_bytes()
    os.utime(npz(path, classes=4), (0, 0))  # a web server counts in seconds
    assert fetch(uri) != first
    assert Path(fetch(uri)).read_bytes() == path.read_bytes()
    assert (Path(first).read_bytes(), len(web.loaded)) == (before, 2)


def test_several_processes_copy_once(web: Any, tmp_path: Path) -> None:
    """One copies, the others wait for it and read the same."""
    path = tmp_path / "large.npz"
    np.savez(path, x=np.random.default_rng(0).integers(256, size=(100, 64, 64, 3), dtype=np.uint8))
    command = [sys.executable, "-c", FETCH, f"{web.uri}/large.npz"]

    at_once = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    [place] = {each.communicate()[0].strip() for each in at_once}

    assert [each.returncode for each in at_once] == [0] * 4
    assert Path(place).read_bytes() == path.read_bytes()
    assert web.loaded == ["/large.npz"]


def test_half_a_copy_is_never_read(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes short is an error, and the next attempt begins anew."""
    cache = tmp_path / "cache"
    memory.pipe({"/rows/a.csv": b"a,b", "/rows/b.csv": b"1,2"})
    short = lambda name, target: Path(target).write_bytes(memory.cat_file(name)[:2])  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr(type(memory), "get_file", lambda self, *words: short(*words))
        with pytest.raises(FileNotFoundError, match=r"/rows/a.csv has 3 bytes, 2 came"):
            fetch("memory://rows")
    assert not [each for each in cache.iterdir() if not each.suffix]

    place = Path(fetch("memory://rows"))

    assert {each.name: each.read_bytes() for each in place.iterdir()} == {
        "a.csv": b"a,b",
        "b.csv": b"1,2",
    }
    assert not list(cache.glob("*.part"))


def test_marks_of_folders_are_no_files(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The consoles of object stores leave an empty object for each folder that they make."""
    memory.pipe({"/rows/a.csv": b"a,b", "/rows/deeper/down/b.csv": b"1,2"})
    names = ("", "deep/", "deeper")  # Azure's without a slash
    marks = {f"/rows/{name}": {"name": f"/rows/{name}", "size": 0} for name in names}
    real = type(memory).find
    monkeypatch.setattr(
        type(memory), "find", lambda self, *words, **more: marks | real(self, *words, **more)
    )

    place = Path(fetch("memory://rows"))
    files = {each.relative_to(place).as_posix() for each in place.rglob("*") if each.is_file()}
    assert files == {"a.csv", "deeper/down/b.csv"}


def test_a_copy_stays_in_its_folder(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name with .. in it is refused before anything is written."""
    memory.pipe_file("/rows/a.csv", b"a,b")
    found = {"/rows/../../a.csv": {"name": "/rows/../../a.csv", "size": 3, "type": "file"}}
    monkeypatch.setattr(type(memory), "find", lambda *_, **__: found)

    with pytest.raises(FileNotFoundError, match="would lie outside of the copy"):
        fetch("memory://rows")

    assert not [each for each in tmp_path.rglob("*") if each.name == "a.csv"]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (404, "config.yaml:7: task.dataset.path: nothing is at http://127.0.0.1"),
        (403, "may not be read .*403.*credentials come from the environment"),
        (401, "may not be read .*401.*credentials come from the environment"),
        (503, r"a\.npz cannot be read \(.*503.*whether the store can be reached"),
    ],
)
def test_what_cannot_be_had_is_told_in_one_line(
    web: Any, tmp_path: Path, ask: Callable[..., Any], status: int, told: str
) -> None:
    """With file, line, key, and what to do."""
    npz(tmp_path / "a.npz")
    web.refuses = status

    with pytest.raises(DataError, match=told) as caught:
        ask(path=f"{web.uri}/a.npz", modality="image")

    assert "\n" not in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_a_store_that_does_not_answer_is_told(web: Any, ask: Callable[..., Any]) -> None:
    """Port 1 of this machine listens to nobody."""
    with pytest.raises(DataError, match="whether the store can be reached from here"):
        ask(path="http://127.0.0.1:1/a.npz", modality="image")


@pytest.mark.parametrize(
    ("uri", "package"),
    [("s3://b/a.npz", "s3fs"), ("gs://b/a.npz", "gcsfs"), ("abfs://c@a/b.npz", "adlfs")],
)
def test_a_missing_package_is_named(
    uri: str, package: str, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to type; so is fsspec itself."""
    for absent in (package, "fsspec"):
        monkeypatch.setitem(sys.modules, absent, None)
        with pytest.raises(EnvironmentProblem) as caught:
            ask(path=uri, modality="image")
        assert str(caught.value) == (
            f"config.yaml:7: task.dataset.path: {uri} cannot be read; a package for such URIs "
            f"must be installed; type pip install fsspec {package}"
        )


def test_a_disk_that_is_full_is_no_trouble_of_the_store(
    memory: Any, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told where copies go, and how that is changed."""
    memory.pipe_file("/b/a.npz", b"rows")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(memory), "get_file", full)

    with pytest.raises(EnvironmentProblem, match="No space left on device; set DATASET_CACHE"):
        ask(path="memory://b/a.npz", modality="image")


def test_trouble_with_what_it_holds_names_the_uri(memory: Any, ask: Callable[..., Any]) -> None:
    """Not the copy, of which the user has never heard."""
    memory.pipe({"/b/a.npz": b"no archive", "/b/a.doc": b"rows"})

    for uri in ("memory://b/a.npz", "memory://b/a.doc"):
        with pytest.raises(RaygenError, match=f"task.dataset.path: {uri}") as caught:
            ask(path=uri, modality="image")
        assert "cache" not in str(caught.value)


def test_a_folder_that_changes_has_another_fingerprint(
    web: Any, image_folder: Path, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that does not has the same on every machine, whenever it was copied."""
    uri = f"{web.uri}/pictures/"
    before = ask(path=uri, modality="image").sha
    monkeypatch.setenv("DATASET_CACHE", str(image_folder.parent / "elsewhere"))

    assert ask(path=uri, modality="image").sha == before
    (image_folder / "dark/0.png").write_bytes((image_folder / "light/4.png").read_bytes() + b" ")
    assert ask(path=uri, modality="image").sha != before


def test_a_folder_with_one_split_is_dealt(
    memory: Any, image_folder: Path, ask: Callable[..., Any]
) -> None:
    """The program holds the URI of that split, as it holds its path."""
    memory.put(str(image_folder), "/b/train", recursive=True)

    spec = ask(path="memory://b", modality="image")

    assert spec.constants["DATA"] == "memory://b/train"
    assert [len(array) for array in load_arrays(spec).values()] == [8, 8, 2, 2]


def test_rows_are_looked_at_in_python(memory: Any, tmp_path: Path) -> None:
    """By the same name."""
    memory.put(str(npz(tmp_path / "a.npz")), "/b/a.npz")

    x, y = load_dataset("memory://b/a.npz")

    assert (x.shape, y.shape) == ((32, 4, 4, 1), (32,))


def test_parameters_of_a_uri_are_part_of_no_name(web: Any, tmp_path: Path) -> None:
    """The copy is named, and so read, by the path."""
    npz(tmp_path / "a.npz")

    place = Path(fetch(f"{web.uri}/a.npz?download=1"))

    assert place.name == "a.npz"
