"""Tests of tables: columns, missing values, categories, targets and splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from raygen.data.loaders import load_arrays, loader_program
from raygen.errors import ConfigError, DataError


def test_columns_find_their_place(ask, table_csv: Path) -> None:
    """Numbers and categories are told apart; empty columns and mere names are left out."""
    constants = ask("table", path=str(table_csv), target="kind").constants

    assert constants["NUMERIC"] == ("width", "height", "flat", "price")
    assert constants["CATEGORIES"] == {"color": 3, "code": 3}
    assert {"height", "color"} == set(constants["MISSING"])
    assert constants["WIDTH"] == 4 + 2 + (3 + 1) + (3 + 1)


def test_rows_without_target_are_dropped(ask, table_csv: Path) -> None:
    """A missing target drops its row; a fifth of the others is the test."""
    spec = ask("table", path=str(table_csv), target="kind")
    arrays = load_arrays(spec)

    assert all(array.flags.c_contiguous for array in arrays.values())
    assert spec.num_rows + spec.num_test_rows == 39
    assert spec.left_out == "1 of 40 rows have no kind and are left out"
    assert (spec.num_rows, 6) == arrays["x"].shape
    assert spec.num_test_rows == len(arrays["y_test"]) == 8
    assert list(spec.class_counts) == np.bincount(arrays["y"]).tolist()


def test_ignored_columns_are_no_inputs(ask, table_csv: Path) -> None:
    """Neither the target nor an ignored column can leak into the inputs."""
    spec = ask("table", path=str(table_csv), target="price", regression=True, ignore=["width"])

    assert spec.constants["NUMERIC"] == ("height", "flat")
    assert {"color", "code", "kind"} == set(spec.constants["CATEGORIES"])
    assert np.float64 == load_arrays(spec)["y"].dtype


def test_categories_of_digits_stay_text(ask, table_csv: Path, tmp_path: Path) -> None:
    """A category hashes alike, also where all that a file to predict holds looks like numbers."""
    program = loader_program(ask("table", path=str(table_csv), target="kind"))
    frame = pd.read_csv(table_csv, dtype=str)
    known = program["read_inputs"](str(table_csv))
    frame[frame["code"] == "08"].drop(columns="kind").to_csv(tmp_path / "new.csv", index=False)

    new = program["read_inputs"](str(tmp_path / "new.csv"))

    assert np.array_equal(known[(frame["code"] == "08").to_numpy()], new, equal_nan=True)


def test_marks_for_missing_numbers(ask, tmp_path: Path) -> None:
    """A column of numbers with a few question marks is a column of numbers with gaps."""
    values = [*map(str, range(38)), "?", "?"]
    frame = pd.DataFrame({"a": values, "y": [0, 1] * 20})
    frame.to_csv(tmp_path / "marks.csv", index=False)

    spec = ask("table", path=str(tmp_path / "marks.csv"))
    arrays = load_arrays(spec)

    assert spec.constants["NUMERIC"] == ("a",)
    assert np.isnan(np.concatenate([arrays["x"], arrays["x_test"]])).sum() == 2


def test_parquet_types(ask, tmp_path: Path) -> None:
    """Booleans, nullable integers, categoricals and infinities of a parquet file are read."""
    frame = pd.DataFrame(
        {
            "flag": [True, False] * 10,
            "count": pd.array([1, None] * 10, dtype="Int64"),
            "group": pd.Categorical(["u", "v"] * 10),
            "wild": [np.inf, 1.0] * 10,
            "target": ["yes", "no"] * 10,
        }
    )
    frame.to_parquet(tmp_path / "types.parquet")

    spec = ask("table", path=str(tmp_path / "types.parquet"))
    x = load_arrays(spec)["x"]

    assert spec.constants["NUMERIC"] == ("flag", "count", "wild")
    assert spec.constants["MISSING"] == ("count", "wild")
    assert spec.constants["CATEGORIES"] == {"group": 2}
    assert np.isfinite(x[:, [0, 3]]).all()


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_missing_dates(ask, bind, tmp_path: Path, zone) -> None:
    """A date is a number, and one that is missing is missing."""
    days = pd.Series(pd.date_range("2020-01-01", periods=40, tz=zone))
    days[[3, 4, 5, 20, 30]] = pd.NaT
    frame = pd.DataFrame({"day": days, "wait": days - days[0], "a": range(40), "y": [0, 1] * 20})
    frame.to_parquet(tmp_path / "days.parquet")

    spec = ask("table", path=str(tmp_path / "days.parquet"))
    arrays = load_arrays(spec)
    x = np.concatenate([arrays["x"], arrays["x_test"]])
    inputs = bind(spec)
    ready = inputs.preprocess(x, inputs.fit_preprocessing(x))

    assert spec.constants["NUMERIC"] == ("day", "wait", "a")
    assert spec.constants["MISSING"] == ("day", "wait")
    assert set(x[np.isnan(x[:, 0]), 2]) == set(x[np.isnan(x[:, 1]), 2]) == {3, 4, 5, 20, 30}
    assert np.nanmin(x) >= 0
    assert ready[~np.isnan(x[:, 0]), 0] == pytest.approx(ready[~np.isnan(x[:, 0]), 1], abs=1e-5)


@pytest.mark.parametrize("source", ["parquet", "hub"])
def test_predicting_from_csv(
    ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """A category of digits hashes alike in a table of any kind and in a csv file to predict."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    codes = ["007", "12", "x1", "08"] * 10
    frame = pd.DataFrame({"code": codes, "a": range(40), "label": [0, 1, 1, 0] * 10})
    (tmp_path / "set").mkdir()
    file = tmp_path / "set" / "train-0.parquet"
    frame.to_parquet(file)
    frame[frame["code"] != "x1"].drop(columns="label").to_csv(tmp_path / "new.csv", index=False)
    spec = ask(
        "table", **({"path": str(file)} if source == "parquet" else {"name": str(file.parent)})
    )
    program = loader_program(spec)

    new = program["read_inputs"](str(tmp_path / "new.csv"))

    assert spec.source == source
    assert np.array_equal(new, program["read_inputs"](str(file))[(frame["code"] != "x1")])
    assert program["hash_text"]("007") in new[:, 1]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["b", "a"], ("a", "b")),
        ([2, 0], (0, 2)),
        ([1.0, 0.0], (0, 1)),
        ([True, False], (False, True)),
    ],
    ids=["text", "integers", "integers with gaps", "booleans"],
)
def test_labels(ask, tmp_path: Path, labels, classes) -> None:
    """Labels are sorted, and the first has number 0, whatever type they are read as."""
    column = pd.Series(labels * 10, dtype=object)
    column[3] = None
    pd.DataFrame({"a": range(20), "target": column}).to_csv(tmp_path / "t.csv", index=False)

    spec = ask("table", path=str(tmp_path / "t.csv"))
    arrays = load_arrays(spec)

    assert classes == spec.classes
    assert {0, 1} == set(arrays["y"])
    assert ((arrays["x"][:, 0] % 2 == 0) == (arrays["y"] == 1)).all()


def split_file(tmp_path: Path, names: list[str]) -> str:
    """Write a table whose column a counts the rows, in splits of 20 rows each."""
    rows = 20 * len(names)
    splits = np.repeat(names, 20)
    frame = pd.DataFrame({"a": range(rows), "target": np.arange(rows) % 2, "split": splits})
    frame.to_parquet(tmp_path / "splits.parquet")
    return str(tmp_path / "splits.parquet")


@pytest.mark.parametrize(
    ("names", "keys", "rows", "test_rows"),
    [
        (["train", "dev", "test"], {}, range(20), range(40, 60)),
        (["train", "dev", "test"], {"test_split": "dev"}, range(20), range(20, 40)),
        (["train", "dev", "test"], {"train_split": "train+dev"}, range(40), range(40, 60)),
        (["train", "validation"], {}, range(20), range(20, 40)),
        (["train", "extra"], {}, range(16), range(4)),
        (["train"], {}, range(16), range(4)),
    ],
    ids=["default", "test on dev", "join", "validation", "one of two dealt", "dealt"],
)
def test_splits(ask, tmp_path: Path, names, keys, rows, test_rows) -> None:
    """The column split decides; rows of other splits neither train nor test."""
    spec = ask("table", path=split_file(tmp_path, names), **keys)
    arrays = load_arrays(spec)

    assert (len(rows), len(test_rows)) == (spec.num_rows, spec.num_test_rows)
    assert spec.constants["NUMERIC"] == ("a",)
    assert not set(arrays["x"][:, 0]) & set(arrays["x_test"][:, 0])
    if "TEST_SPLIT" in spec.constants:
        assert list(rows) == arrays["x"][:, 0].tolist()
        assert list(test_rows) == arrays["x_test"][:, 0].tolist()
    else:
        assert set(range(20)) == set(arrays["x"][:, 0]) | set(arrays["x_test"][:, 0])


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"target": "knd"}, "task.dataset.target: there is no column 'knd'; must be one of width"),
        ({"target": "knd"}, "did you mean 'kind'?"),
        ({}, "task.dataset.path: which column shall be predicted? The columns are width, height"),
        ({"target": "kind", "ignore": ["nmae"]}, "task.dataset.ignore: there is no column 'nmae'"),
        ({"target": "kind", "test_split": "dev"}, "task.dataset.test_split: there is no split"),
        ({"target": "width"}, "choose the task TabularRegression"),
        ({"target": "kind", "regression": True}, "task.dataset.target: column 'kind' holds 'dog'"),
        ({"target": "flat", "regression": True}, "column 'flat' holds 3 in every row"),
        ({"target": "flat"}, "all 32 training rows are of class 3; there must be at least two"),
        ({"target": "code", "folds": 5}, "rank.folds: class '08' has 3 training rows, fewer than"),
        ({"target": "code", "folds": 5}, "set rank.folds: 3"),
        ({"target": "name"}, "has 0 training rows"),
        ({"target": "empty"}, "has no training rows"),
    ],
)
def test_tables_that_cannot_be_used(ask, table_csv: Path, keys, told: str) -> None:
    """Each thing wrong is one line with file, line and key, and where possible the remedy."""
    with pytest.raises((ConfigError, DataError)) as caught:
        ask("table", path=str(table_csv), **keys)

    assert str(caught.value).startswith("config.yaml:7: ")
    assert told in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"train_split": "trian"}, "train_split: split 'trian' has no rows; must be one of train"),
        ({"test_split": "final"}, "test_split: split 'final' has no rows"),
        ({"test_split": "train"}, "'train' is a training split too"),
    ],
)
def test_splits_that_are_not_there(ask, tmp_path: Path, keys, told: str) -> None:
    """A split without rows, or one used twice, is refused."""
    with pytest.raises(DataError) as caught:
        ask("table", path=split_file(tmp_path, ["train", "dev", "test"]), **keys)

    assert told in str(caught.value)


def test_hidden_test_labels(ask, tmp_path: Path) -> None:
    """A test split whose labels are all -1 is passed over, and refused where it is asked for."""
    frame = pd.read_parquet(split_file(tmp_path, ["train", "validation", "test"]))
    frame.loc[frame["split"] == "test", "target"] = -1
    frame.to_parquet(tmp_path / "hidden.parquet")

    spec = ask("table", path=str(tmp_path / "hidden.parquet"))

    assert spec.constants["TEST_SPLIT"] == "validation"
    assert spec.classes == (0, 1)
    with pytest.raises(DataError, match=r"targets of split 'test' are hidden.*another: validation"):
        ask("table", path=str(tmp_path / "hidden.parquet"), test_split="test")


def test_columns_of_lists_are_refused(ask, tmp_path: Path) -> None:
    """A column that holds lists is named, with the line that leaves it out."""
    frame = pd.DataFrame({"a": range(20), "tags": [["x", "y"]] * 20, "y": [0, 1] * 10})
    frame.to_parquet(tmp_path / "lists.parquet")

    with pytest.raises(DataError, match=r"set ignore: \[tags\]"):
        ask("table", path=str(tmp_path / "lists.parquet"))


@pytest.mark.parametrize(
    ("name", "content"),
    [("torn.parquet", b"PAR1 torn"), ("empty.csv", b""), ("latin.csv", b"a,y\n\xff\xfe,1\n")],
)
def test_damaged_files(ask, tmp_path: Path, name: str, content: bytes) -> None:
    """A file that is not what its name says is refused in one line."""
    (tmp_path / name).write_bytes(content)

    with pytest.raises(DataError, match="cannot be read"):
        ask("table", path=str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "rows", "columns", "classes"),
    [
        ("iris", 150, 4, 3),
        ("wine", 178, 13, 3),
        ("breast_cancer", 569, 30, 2),
        ("diabetes", 442, 10, 0),
    ],
)
def test_bundled_tables(ask, name: str, rows: int, columns: int, classes: int) -> None:
    """The tables of scikit-learn are read by name."""
    spec = ask("table", name=name, regression=classes == 0, folds=5)
    arrays = load_arrays(spec)

    assert rows == spec.num_rows + spec.num_test_rows
    assert (spec.num_rows, columns) == arrays["x"].shape
    assert classes == spec.num_classes
    assert spec.constants["CATEGORIES"] == {}
    assert all(array.flags.c_contiguous for array in arrays.values())


def test_inputs_have_one_width_in_every_fold(ask, bind, table_csv: Path) -> None:
    """The network's input is WIDTH wide, finite and bounded, whatever rows are learnt from."""
    spec = ask("table", path=str(table_csv), target="kind")
    x = load_arrays(spec)["x"]
    inputs = bind(spec)

    for rows in (x, x[:3], x[:1]):
        ready = inputs.preprocess(x, inputs.fit_preprocessing(rows))

        assert (len(x), spec.constants["WIDTH"]) == ready.shape
        assert np.float32 == ready.dtype
        assert np.abs(ready).max() <= 3


def test_what_the_inputs_hold(ask, bind, tmp_path: Path) -> None:
    """Numbers are centred by the median; gaps are 0 and marked; categories are spelt out."""
    frame = pd.DataFrame(
        {
            "n": [1.0, 2.0, 3.0, np.nan] * 10,
            "c": ["a", "a", "b", None] * 10,
            "y": [0, 1, 1, 0] * 10,
        }
    )
    frame.to_parquet(tmp_path / "small.parquet")
    spec = ask("table", path=str(tmp_path / "small.parquet"))
    inputs = bind(spec)
    read = loader_program(spec)["as_numbers"]
    statistics = inputs.fit_preprocessing(read(frame))

    new = pd.DataFrame({"n": [2.0, np.nan, 3.0], "c": ["a", None, "unseen"]})
    ready = inputs.preprocess(read(new), statistics)

    assert ready[0, :3].tolist() == [0, 0, 0]  # the median; neither value is missing
    assert ready[0, 3:].tolist() == [1, 0, 0]
    assert ready[1].tolist() == [0, 1, 1, 0, 0, 0]
    assert ready[2, 0] == pytest.approx(0.5 / np.sqrt(1 + (0.5 / 3) ** 2))
    assert ready[2, 1:].tolist() == [0, 0, 0, 0, 1]


def test_hashes_stay_as_they_are(ask, table_csv: Path) -> None:
    """Saved models know categories by their hashes, so these must never change."""
    program = loader_program(ask("table", path=str(table_csv), target="kind"))

    assert program["hash_text"]("red") == 2872476861919614.0
