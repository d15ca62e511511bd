"""Is the program of an ensemble a good one, with nothing twice that need not be?"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from raygen.source.definitions import definitions_of
from raygen.source.ensemble import ensemble_program

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
FILES = ("torch_digits_convnet", "keras_wages_resnet", "torch_people_mlp", "keras_news_textcnn")


def program(name: str) -> str:
    """Of a candidate, and of the same with another learning rate."""
    first = (GOLDEN / f"{name}.py").read_text(encoding="utf-8")
    second = re.sub(r'"learning_rate": [\d.e-]+', '"learning_rate": 0.5', first)
    assert first != second
    return ensemble_program([("00003", first, 2), ("00001", second, 1)], name='x"""\nimport os')


def of_folds(name: str) -> str:
    """Of one candidate, which is trained once without each fold."""
    text = (GOLDEN / f"{name}.py").read_text(encoding="utf-8")
    return ensemble_program([("00003", text, 1)], name="x", bag=True)


@pytest.mark.parametrize("name", FILES)
def test_what_members_share_stands_there_once(name: str) -> None:
    """Of one setting that differs the training has two versions; all else has one."""
    names = [each for d in definitions_of(program(name)) for each in d.names]

    assert max(Counter(names).values()) == 1
    assert {"SCHEDULE_0", "SCHEDULE_1", "train_0", "train_1", "preprocess", "predict"} <= set(names)
    assert not {"train", "preprocess_0", "predict_0", "load_0", "evaluate_1"} & set(names)


@pytest.mark.parametrize("name", FILES)
def test_one_network_without_each_fold_has_no_other_way(name: str) -> None:
    """Its usage says what it does, and it stands there once, word for word."""
    text = of_folds(name)

    usage = ast.get_docstring(ast.parse(text)) or ""
    assert "train without each fold" in usage
    assert "--bag" not in text
    assert "train_0" not in text
    assert text.count("    Member(1, ") == 1


@pytest.mark.parametrize("write", [program, of_folds])
@pytest.mark.parametrize("name", FILES)
def test_the_text_is_free_of_errors(name: str, write: Callable[[str], str], tmp_path: Path) -> None:
    """No name is missing and none is left over; RayGen is not imported."""
    file = tmp_path / "ensemble.py"
    file.write_text(write(name), encoding="utf-8")

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--isolated",
            "--select",
            "E,F,I,UP",
            "--line-length",
            "100",
            str(file),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    roots = {
        line.split()[1].split(".")[0]
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.startswith(("import ", "from "))
    }
    assert "raygen" not in roots
    assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))


def test_a_local_name_is_no_name_of_the_top_level() -> None:
    """A variable that is called like a function is left as it is."""
    text = """
def train(x):
    return x


def load_data():
    train, test = [1], [2]
    return train, test


def use(x, train=train):
    return [train for train in x]
"""
    train, load_data, use = definitions_of(text)

    assert load_data.uses == frozenset()
    assert use.uses == {"train"}
    assert use.renamed(["train"], "_0") == (
        "def use(x, train=train_0):\n    return [train for train in x]"
    )
    assert train.renamed(["train"], "_0").startswith("def train_0(x):")
