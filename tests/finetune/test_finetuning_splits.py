"""Are the rows of a pretrained model dealt as those of a network of layers?"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, PredefinedSplit, TimeSeriesSplit
from test_finetuning_config import refused
from tiny import planned, program_of, write_config

from raygen.pipeline import generate

OWN = "def odd(rows):\n    return rows['day'] % 2\n"


@pytest.fixture
def dealt(folder: Path) -> pd.DataFrame:
    """The texts, and the tagged words, of patients on days; the number of words tells the row."""
    rng = np.random.default_rng(0)
    patient = rng.integers(0, 8, 60)
    frame = pd.DataFrame({"patient": patient, "day": rng.permutation(60), "part": patient % 3})
    said = [" ".join(["good" if row % 2 else "bad"] * (row + 1)) for row in range(60)]
    texts = frame.assign(text=said, label=np.arange(60) % 2)
    texts.to_parquet(folder / "texts.parquet")
    words = [each.split() for each in said]
    tags = [["B-PER", *["O"] * (len(each) - 1)] for each in words]
    frame.assign(tokens=words, tags=tags).to_parquet(folder / "tagged.parquet")
    (folder / "own.py").write_text(OWN, encoding="utf-8")
    return texts


def of_tags(folder: Path) -> dict[str, Any]:
    """The section of the other task."""
    return {"name": "TokenClassification", "dataset": {"path": str(folder / "tagged.parquet")}}


@pytest.mark.parametrize("tags", [False, True], ids=["classes", "tags"])
@pytest.mark.parametrize(
    ("rank", "theirs"),
    [
        ({"repeats": 2}, None),
        ({"split": "grouped", "by": "patient"}, "groups"),
        ({"split": "grouped", "by": "patient", "repeats": 2}, "groups anew"),
        ({"split": "leave-one-group-out", "by": "patient", "folds": 7}, "each group"),
        ({"split": "ordered", "by": "day", "window": 20, "gap": 2}, "windows"),
        ({"split": "column", "by": "part", "folds": 3}, "column"),
        ({"split": "own.py:odd"}, "function"),
    ],
    ids=lambda value: str(value.get("split", "repeats")) if isinstance(value, dict) else str(value),
)
def test_rows_are_dealt_as_asked(
    rank: dict[str, Any],
    theirs: str | None,
    tags: bool,
    folder: Path,
    model: Path,
    dealt: pd.DataFrame,
) -> None:
    """As scikit-learn's splitters deal them, by the program's own text."""
    config = write_config(folder, model, rank=rank, **({"task": of_tags(folder)} if tags else {}))
    blueprint = planned(config)
    program = program_of(blueprint, folder)
    x, y, x_test, _ = program.load_data()
    train, test = (dealt.loc[program.row_lengths(each) - 3] for each in (x, x_test))

    folds = [program.split(y, fold) for fold in range(program.FOLDS)]

    assert not set(train.index) & set(test.index)
    for fold, (rows, held_out) in enumerate(folds):
        assert len(held_out)
        assert not set(rows) & set(held_out)
        assert all(
            np.array_equal(*pair)
            for pair in zip(folds[fold], blueprint.split(y, fold), strict=True)
        )
    expected: Any
    numbers = pd.factorize(train["patient"])[0]
    match theirs:
        case None:
            assert program.REPEATS == 2
            for deal in (folds[:2], folds[2:]):
                held = np.concatenate([held_out for _, held_out in deal])
                assert sorted(held) == list(range(len(y)))
            assert folds[0][1].tolist() != folds[2][1].tolist()
            return
        case "groups":
            assert len(folds) == 2
            for rows, held_out in folds:
                assert not set(train["patient"].iloc[rows]) & set(train["patient"].iloc[held_out])
            return
        case "groups anew":
            seeds = (program.SEED, program.SEED + 1)
            expected = [
                pair
                for seed in seeds
                for pair in GroupKFold(2, shuffle=True, random_state=seed).split(y, groups=numbers)
            ]
        case "each group":
            expected = LeaveOneGroupOut().split(y, groups=numbers)
        case "windows":
            assert train["day"].is_monotonic_increasing
            expected = TimeSeriesSplit(2, max_train_size=20, gap=2).split(y)
        case "column":
            expected = PredefinedSplit(train["part"]).split()
        case "function":
            expected = PredefinedSplit(train["day"] % 2).split()
    found = [(rows.tolist(), held_out.tolist()) for rows, held_out in folds]
    assert found == [(rows.tolist(), held_out.tolist()) for rows, held_out in expected]


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"rank": {"split": "grouped", "by": "patiant"}}, "did you mean 'patient'?"),
        ({"rank": {"split": "grouped", "by": "patient", "folds": 30}}, "fewer than the 30"),
        ({"rank": {"split": "leave-one-group-out", "by": "patient"}}, "set rank.folds: 7"),
        ({"rank": {"split": "ordered", "by": "day", "gap": 40}}, "trains on 0; each fold must"),
        ({"rank": {"split": "own.py:even"}}, "has no function 'even'"),
        (
            {
                "rank": {"split": "grouped", "by": "patient"},
                "task": {"name": "CausalLM", "dataset": {"path": "texts.parquet"}},
            },
            "rank.split: grouped given, and running text, which is cut into blocks; a column",
        ),
        (
            {
                "rank": {"split": "own.py:odd"},
                "task": {"dataset": {"path": "texts.parquet", "streamed": True}},
            },
            "rank.split: function given, and streamed; a column or a function deals rows",
        ),
    ],
)
def test_what_cannot_be_dealt_is_refused(
    sections: dict[str, Any],
    told: str,
    folder: Path,
    model: Path,
    dealt: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In one line, before any weights are read."""
    monkeypatch.chdir(folder)

    assert told in refused(write_config(folder, model, **sections))


@pytest.mark.ray
@pytest.mark.slow
def test_groups_dealt_anew_are_ranked(folder: Path, model: Path, dealt: pd.DataFrame) -> None:
    """The emitted file gives the scores of all folds of all repeats again."""
    rank = {"split": "grouped", "by": "patient", "folds": 2, "repeats": 2}
    parameters = {"learning_rate": {"choice": [1e-3, 3e-3]}}
    section = {"training": {"batch_size": 16}, "parameters": parameters}
    config = write_config(folder, model, rank=rank, model=section)

    result = generate(config, run_dir=str(folder / "run"))

    command = [sys.executable, "model.py", "--cv"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    first = result.leaderboard["entries"][0]["folds"]
    assert json.loads(done.stdout.splitlines()[-1])["folds"] == first
    assert len(first) == 4
