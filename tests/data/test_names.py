"""Tests of names: bundled data sets, files that are not there, and the hub without network."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from raygen.data import hub
from raygen.data.arrays import load_dataset
from raygen.data.loaders import load_arrays
from raygen.errors import ConfigError, DataError, EnvironmentProblem


@pytest.fixture
def hub_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set laid out as on the hub, with a test split whose labels are hidden."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(hub, "hub_answers", lambda: pytest.fail("a folder needs no network"))
    (tmp_path / "set").mkdir()
    for split, rows in (("train", 20), ("validation", 6), ("test", 4)):
        labels = [1, 0] * (rows // 2) if split != "test" else [-1] * rows
        frame = pd.DataFrame({"sentence": ["good film", "bad film"] * (rows // 2), "label": labels})
        frame.to_parquet(tmp_path / "set" / f"{split}-0.parquet")
    return tmp_path / "set"


def test_hub_data_set(ask, hub_folder: Path) -> None:
    """A data set of the hub is read with its splits; hidden test labels are passed over."""
    spec = ask("text", name=str(hub_folder), folds=5)
    arrays = load_arrays(spec)

    assert (spec.source, spec.num_rows, spec.num_test_rows) == ("hub", 20, 6)
    assert spec.constants["TEXT"] == "sentence"
    assert arrays["x_test"].shape == (6, 16)


def test_hub_without_network(ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without network one line says how to give a path, and no switch stays thrown."""
    import datasets.config

    monkeypatch.setattr(hub, "hub_answers", lambda: False)
    before = datasets.config.HF_HUB_OFFLINE

    with pytest.raises(DataError) as caught:
        ask("text", name="nobody/no_such_set")

    told = str(caught.value)
    assert told.startswith("config.yaml:7: task.dataset.name: nobody/no_such_set cannot be had")
    assert "give path: no_such_set.parquet instead of name:" in told
    assert "\n" not in told
    assert before == datasets.config.HF_HUB_OFFLINE


def test_short_names_of_the_hub(ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short name stands for the full one."""
    asked = []

    def load_nothing(*path: str) -> None:
        asked.append(path)
        raise ConnectionError("no network")

    monkeypatch.setattr(hub, "hub_answers", lambda: False)
    monkeypatch.setattr("datasets.load_dataset", load_nothing)

    with pytest.raises(DataError, match=r"give path: ag_news\.parquet"):
        ask("text", name="ag_news")

    assert asked == [("fancyzhx/ag_news",)]


def test_hub_that_refuses_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that refuses connections does not answer."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("urllib.request.getproxies", dict)

    assert not hub.hub_answers()


def test_datasets_is_not_installed(ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package datasets the line says what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(EnvironmentProblem, match=r"pip install 'raygen\[hub\]'"):
        hub.hub_access("nobody/no_such_set").__enter__()


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"name": "digts"}, "task.dataset.name: no data set is named 'digts'"),
        ({"name": "digts"}, "did you mean 'digits'?"),
        ({"name": "zzz"}, "for a file of your own give path:"),
        ({"name": "iris"}, "iris does not hold image data; image data is read from: the bundled"),
        ({"path": "no/such.npz"}, "task.dataset.path: no such file: no/such.npz"),
    ],
)
def test_names_that_are_not_known(ask, keys, told: str) -> None:
    """A name that is not known is one line with the near miss or the remedy."""
    with pytest.raises((ConfigError, DataError)) as caught:
        ask("image", **keys)

    assert told in str(caught.value)


def test_near_miss_of_a_file(ask, table_csv: Path) -> None:
    """A misspelt file is told together with the one beside it."""
    with pytest.raises(DataError, match=r"did you mean 'table\.csv'\?"):
        ask("table", path=str(table_csv.with_name("tabel.csv")))


def test_other_kinds_of_files(ask, tmp_path: Path) -> None:
    """A file of another kind is refused with those that can be read."""
    (tmp_path / "table.xlsx").touch()

    with pytest.raises(ConfigError, match=r"must be an \.npz, \.csv or \.parquet file"):
        ask("table", path=str(tmp_path / "table.xlsx"))


def test_load_dataset_by_name() -> None:
    """The public function gives inputs and targets of one split."""
    x, y = load_dataset("digits", "test")

    assert x.shape == (360, 8, 8, 1)
    assert y.shape == (360,)


def test_load_dataset_by_path(table_csv: Path, image_folder: Path) -> None:
    """Paths are read too; what a row is must be said where no name tells."""
    assert len(load_dataset(str(table_csv), modality="table", target="kind")[1]) == 31
    assert load_dataset(str(image_folder))[0].shape == (8, 6, 8, 3)
    with pytest.raises(ConfigError, match="say modality="):
        load_dataset(str(table_csv), target="kind")
