"""Folds by group, in order, and by a column: from the YAML to the ``model.py``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import (
    GroupKFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    TimeSeriesSplit,
)

from raygen.errors import ConfigError, DataError, RaygenError
from raygen.plan import plan_run
from raygen.source.candidate import Candidate

_YAML = """
name: patients
task: {name: TASK, dataset: {path: patients.csv, target: label}}
rank: RANK
"""


@pytest.fixture
def frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Rows of 12 patients on shuffled days, in folds 1 to 3; the value tells the row."""
    rng = np.random.default_rng(0)
    patient = np.repeat([f"p{number}" for number in range(12)], rng.integers(3, 30, 12))
    table = pd.DataFrame({"patient": patient, "value": np.arange(len(patient))})
    table["day"] = rng.permutation(len(table))
    table["fold"] = 1 + np.arange(len(table)) % 3
    table["label"] = rng.choice(["no", "yes"], len(table))
    table.loc[5, "patient"] = None
    monkeypatch.chdir(tmp_path)
    table.sample(frac=1, random_state=1).to_csv("patients.csv", index=False)
    return table


def program_of(rank: str, task: str = "TabularClassification") -> dict[str, Any]:
    """The names of the program of a candidate."""
    Path("config.yaml").write_text(_YAML.replace("TASK", task).replace("RANK", rank))
    blueprint = plan_run("config.yaml").blueprint
    values = blueprint.space.sample(np.random.default_rng(0))
    names: dict[str, Any] = {"__name__": "model"}
    Path("model.py").write_text(blueprint.render(Candidate(values)).text)
    names["__file__"] = str(Path("model.py").resolve())
    exec(compile(Path("model.py").read_text(), "model.py", "exec"), names)
    return names


def folds_of(
    program: dict[str, Any], table: pd.DataFrame
) -> tuple[Any, pd.DataFrame, pd.DataFrame]:
    """The rows of each fold, and the training and test rows of the table in their order."""
    x, y, x_test, _ = program["load_data"]()
    train, test = (table.loc[each[:, 0].astype(int)] for each in (x, x_test))
    assert "value" in program["NUMERIC"]
    assert not set(train.index) & set(test.index)
    return [program["split"](y, fold) for fold in range(program["FOLDS"])], train, test


def same(found: Any, expected: Any) -> None:
    """Two lists of training and validation rows are the same."""
    expected = [(train.tolist(), held.tolist()) for train, held in expected]
    assert [(train.tolist(), held.tolist()) for train, held in found] == expected


def test_groups_stay_together(frame: pd.DataFrame) -> None:
    """As scikit-learn's GroupKFold: every row validates once, away from all others of its group."""
    program = program_of("{split: grouped, by: patient, folds: 4}")
    folds, train, test = folds_of(program, frame)

    assert len(train) + len(test) == len(frame) - 1, "who has no group is left out"
    assert not set(train["patient"]) & set(test["patient"])
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(len(train)))
    for rows, held in folds:
        assert not set(train["patient"].iloc[rows]) & set(train["patient"].iloc[held])
    sizes = sorted(len(held) for _, held in folds)
    theirs = GroupKFold(4).split(train, groups=train["patient"])
    assert sizes == sorted(len(held) for _, held in theirs)
    assert "patient" not in (*program["NUMERIC"], *program["CATEGORIES"])


def test_later_rows_are_told_from_earlier_ones(frame: pd.DataFrame) -> None:
    """As scikit-learn's TimeSeriesSplit, on the rows by their day; the last fifth is the test."""
    program = program_of("{split: ordered, by: day, folds: 4}", task="TabularClassification")
    folds, train, test = folds_of(program, frame)

    assert train["day"].is_monotonic_increasing
    assert train["day"].max() < test["day"].min()
    same(folds, TimeSeriesSplit(4).split(train))
    assert [len(rows) for rows in program["split"](np.zeros(len(train)), None)] == [len(train), 0]


def test_a_column_tells_the_folds(frame: pd.DataFrame) -> None:
    """As scikit-learn's PredefinedSplit."""
    program = program_of("{split: column, by: fold, folds: 3}")
    folds, train, _ = folds_of(program, frame)

    same(folds, PredefinedSplit(train["fold"] - 1).split())
    assert "fold" not in program["NUMERIC"]


@pytest.mark.parametrize(
    ("rank", "told"),
    [
        ("{split: grouped}", "rank.by: split grouped given, no by"),
        ("{by: patient}", "rank.by: split stratified given, and by"),
        ("{split: ordered, by: day, repeats: 2}", "only stratified and grouped folds can be dealt"),
        ("{split: grouped, by: patiant}", "rank.by: there is no column 'patiant'"),
        ("{split: grouped, by: label}", "rank.by: 'label' is the target"),
        ("{split: grouped, by: patient, folds: 20}", "groups in its training rows, fewer than"),
        ("{split: column, by: fold, folds: 5}", "3 folds in its training rows, not the 5"),
        ("{split: column, by: fold, folds: 5}", "set rank.folds: 3"),
        ("{split: grouped, by: patient, folds: 20, repeats: 2}", "fewer than the 20"),
        ("{split: leave-one-group-out, by: patient, repeats: 2, folds: 9}", "can be dealt anew"),
        ("{split: leave-one-group-out}", "rank.by: split leave-one-group-out given, no by"),
        ("{split: grouped, by: patient, gap: 2}", "rank.gap: 2 given, and split grouped"),
        ("{split: ordered, by: day, window: 0}", "rank.window: 0 given; it must be"),
        ("{split: ordered, by: day, gap: 99}", "and trains on 0; each fold must have some of both"),
        ("{split: leave-one-group, by: patient}", "did you mean `leave-one-group-out`?"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(frame: pd.DataFrame, rank: str, told: str) -> None:
    """Where, what was given, what must hold."""
    with pytest.raises(RaygenError) as error:
        program_of(rank)

    assert isinstance(error.value, ConfigError | DataError)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_each_group_is_a_fold(frame: pd.DataFrame) -> None:
    """As scikit-learn's LeaveOneGroupOut, the largest group first; their number must be said."""
    with pytest.raises(DataError, match="groups in its training rows, not the 5") as error:
        program_of("{split: leave-one-group-out, by: patient}")
    found = re.search(r"set (rank\.folds): (\d+)", str(error.value))
    folds = int(found[2])

    program = program_of(f"{{split: leave-one-group-out, by: patient, folds: {folds}}}")
    dealt, train, test = folds_of(program, frame)

    assert folds == train["patient"].nunique()
    assert not set(train["patient"]) & set(test["patient"])
    theirs = LeaveOneGroupOut().split(train, groups=train["patient"])
    same(sorted(dealt, key=lambda fold: train["patient"].iloc[fold[1][0]]), theirs)


def test_groups_are_dealt_anew(frame: pd.DataFrame) -> None:
    """As scikit-learn's GroupKFold(shuffle=True), each repeat with a seed of its own."""
    program = program_of("{split: grouped, by: patient, folds: 3, repeats: 4}")
    dealt, train, test = folds_of(program, frame)

    assert (program["FOLDS"], program["REPEATS"], len(dealt)) == (12, 4, 12)
    assert not set(train["patient"]) & set(test["patient"])
    names = list(dict.fromkeys(train["patient"]))
    numbers = [names.index(each) for each in train["patient"]]
    for repeat in range(4):
        theirs = GroupKFold(3, shuffle=True, random_state=program["SEED"] + repeat)
        same(dealt[3 * repeat : 3 * repeat + 3], theirs.split(train, groups=numbers))
    assert [len(rows) for rows in program["split"](np.zeros(len(train)), None)] == [len(train), 0]


@pytest.mark.parametrize(("window", "gap"), [(40, 0), (None, 7), (25, 5)])
def test_a_window_slides_and_leaves_a_gap(
    frame: pd.DataFrame, window: int | None, gap: int
) -> None:
    """As scikit-learn's TimeSeriesSplit; the test rows come after a gap too."""
    program = program_of(f"{{split: ordered, by: day, window: {window or 'null'}, gap: {gap}}}")
    dealt, train, test = folds_of(program, frame)

    same(dealt, TimeSeriesSplit(5, max_train_size=window, gap=gap).split(train))
    assert train["day"].is_monotonic_increasing
    assert len(train) + gap + len(test) == len(frame)
    last, none = program["split"](np.zeros(len(train)), None)
    assert (last[-1], len(none)) == (len(train) - 1, 0)
    assert len(last) == (window or len(train))


def test_what_nothing_deals_is_told(frame: pd.DataFrame) -> None:
    """Rows without a time or a group are left out, and so is the gap before the test rows."""
    frame.loc[[3, 9], "day"] = None
    frame.to_csv("patients.csv", index=False)
    program_of("{split: ordered, by: day, gap: 4}")

    told = plan_run("config.yaml").blueprint.told()

    assert f"2 of {len(frame)} rows have no day and are left out" in told
    assert "4 rows before the test rows are left out, the gap" in told


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (lambda n: ["monday"] * n, "holds 'monday' in every row; an order needs two values"),
        (lambda n: [f"day {i}" for i in range(n)], "holds 'day 0'; an order must be of numbers"),
        (
            lambda n: [f"{1 + i % 12}/{1 + i // 12}/2024" for i in range(n)],
            "sorts '1/15/2024' before '1/2/2024'; an order must be of numbers, or of dates",
        ),
        (lambda n: [None] * n, "holds nothing"),
        (lambda n: [1.5] * n, "column 'day' holds 1.5 in every row"),
    ],
)
def test_a_column_without_an_order_is_refused(frame: pd.DataFrame, days: Any, told: str) -> None:
    """Of texts the alphabet is no order in time."""
    frame["day"] = days(len(frame))
    frame.to_csv("patients.csv", index=False)

    with pytest.raises(DataError, match=r"config\.yaml:4: rank\.by: column 'day' ") as error:
        program_of("{split: ordered, by: day}")
    assert "\n" not in str(error.value)
    assert told in str(error.value)


def test_dates_as_texts_are_an_order(frame: pd.DataFrame) -> None:
    """Written as 2024-01-31 they sort as what they say."""
    dates = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame["day"], unit="D")
    frame.assign(day=dates.dt.strftime("%Y-%m-%d")).to_csv("patients.csv", index=False)

    _, train, test = folds_of(program_of("{split: ordered, by: day}"), frame)

    assert train["day"].is_monotonic_increasing
    assert train["day"].max() < test["day"].min()


def test_a_fold_must_train_on_two_classes(frame: pd.DataFrame) -> None:
    """Where they come one after the other, the first folds know one of them only."""
    frame["label"] = np.where(frame["day"] < len(frame) // 3, "no", "yes")
    frame.to_csv("patients.csv", index=False)

    with pytest.raises(DataError, match="that it trains on are of class 'no'; each fold must"):
        program_of("{split: ordered, by: day}")


def test_a_column_split_is_refused(frame: pd.DataFrame) -> None:
    """It tells the test rows already."""
    frame["split"] = "train"
    frame.to_csv("patients.csv", index=False)

    with pytest.raises(ConfigError, match=r"rank\.split: grouped given, and a column 'split'"):
        program_of("{split: grouped, by: patient, folds: 3}")


def test_images_have_no_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only tables have groups, an order or folds."""
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(
        "task: {name: ImageClassification, dataset: {name: digits}}\n"
        "rank: {split: ordered, by: day}\n"
    )

    with pytest.raises(ConfigError, match=r"config\.yaml:2: rank\.split: ordered given, and"):
        plan_run("config.yaml")
