"""Folds by a function of the user's own: what it says stands in the ``model.py``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from raygen.errors import ConfigError, RunError
from raygen.plan import plan_run
from raygen.run_folder import begin_run, open_run
from raygen.source.candidate import Candidate
from raygen.source.program import read_programs

_YAML = """
name: sites
task: {name: TabularClassification, dataset: {path: data/sites.csv, target: label}}
model: {layers: [{dense: {units: 4}}]}
rank: {split: "splits.py:SPLIT", folds: FOLDS}
search: {max_epochs: 1}
"""
_SPLITS = """
from dataclasses import dataclass
from neighbour import SITES

@dataclass
class Deal:
    rows: object

def by_site(rows):
    return rows["site"].map(SITES).to_numpy()

def without_the_last_year(rows):
    for site in SITES:
        held = rows["site"] == site
        yield (~held & (rows["year"] < 2024)).to_numpy(), held.to_numpy().nonzero()[0]

def never(rows):
    return [(list(range(5)), [7]), ([], [8])]

def both(rows):
    return [([0, 1, 2], [2, 3]), ([5], [6])]

def again(rows):
    return [([0, 1], [2, 3]), ([0, 1], [3, 4])]

def outside(rows):
    return [([0, 1], [len(rows)]), ([0], [1])]

def before(rows):
    return [([0, -1], [2]), ([0], [1])]

def halves(rows):
    return [([0.5, 1.5], [2]), ([0], [1])]

def short(rows):
    return [0, 1]

def holes(rows):
    return [0, 2] * (len(rows) // 2)

def words(rows):
    return ["a"] * len(rows)

def reals(rows):
    return [0.0, 1.0] * (len(rows) // 2)

def endless(rows):
    while True:
        yield [5, 6], [0, 1]

def nothing(rows):
    return None

def breaks(rows):
    return rows["sight"]

def leaves(rows):
    raise SystemExit("no")

def one_class(rows):
    return (rows["label"] == "yes").to_numpy().astype(int)
"""


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """100 rows of three sites in five years, and a file with functions that deal them."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"value": np.arange(100.0), "site": rng.choice(["a", "b", "c"], 100)})
    frame["year"] = 2020 + np.arange(100) % 5
    frame["label"] = rng.choice(["no", "yes"], 100)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "neighbour", raising=False)
    Path("data").mkdir()
    frame.to_csv("data/sites.csv", index=False)
    Path("splits.py").write_text(_SPLITS, encoding="utf-8")
    Path("neighbour.py").write_text('SITES = {"a": 0, "b": 1, "c": 2}\n', encoding="utf-8")
    return frame


def written(split: str, folds: int = 3) -> Path:
    """The program of a candidate."""
    text = _YAML.replace("SPLIT", split).replace("FOLDS", str(folds))
    Path("config.yaml").write_text(text, encoding="utf-8")
    program = plan_run("config.yaml").blueprint.render(Candidate({}))
    Path("model.py").write_text(program.text, encoding="utf-8")
    return Path("model.py").resolve()


def dealt(path: Path, table: pd.DataFrame) -> tuple[list[Any], pd.DataFrame]:
    """The rows of each fold, and the training rows of the table."""
    names: dict[str, Any] = {"__name__": "model", "__file__": str(path)}
    exec(compile(path.read_text(), "model.py", "exec"), names)
    x, y, _, _ = names["load_data"]()
    folds = [names["split"](y, fold) for fold in range(names["FOLDS"])]
    assert len(names["split"](y, None)[0]) == len(y)
    return folds, table.loc[x[:, names["NUMERIC"].index("value")].astype(int)]


def test_fold_numbers_deal_the_rows(table: pd.DataFrame) -> None:
    """Each row is held out by the fold of its number, and trains in all others."""
    folds, train = dealt(written("by_site"), table)

    for (rows, held_out), site in zip(folds, "abc", strict=True):
        assert set(train["site"].iloc[held_out]) == {site}
        assert sorted([*rows, *held_out]) == list(range(len(train)))


def test_pairs_deal_the_rows(table: pd.DataFrame) -> None:
    """What trains need not be all that is left, and may be given as a mask."""
    folds, train = dealt(written("without_the_last_year"), table)

    for (rows, held_out), site in zip(folds, "abc", strict=True):
        assert sorted(held_out) == np.flatnonzero(train["site"] == site).tolist()
        expected = (train["site"] != site) & (train["year"] < 2024)
        assert sorted(rows) == np.flatnonzero(expected).tolist()


def test_the_program_needs_no_function(table: pd.DataFrame) -> None:
    """It trains a fold where neither the function nor RayGen is."""
    path = written("by_site")
    for file in ("splits.py", "neighbour.py", "config.yaml"):
        Path(file).unlink()

    command = [sys.executable, "-I", str(path), "--cv"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert '"folds": [' in done.stdout.splitlines()[-1]
    assert "raygen" not in path.read_text().split('"""', 2)[2].lower()


def test_files_are_ranked_on_the_folds_they_have(table: pd.DataFrame) -> None:
    """Other folds than those of the function cannot be dealt."""
    [program] = read_programs([str(written("by_site"))], Path())

    with pytest.raises(ConfigError, match="its 3 are those of a function"):
        program.dealt(5, 1)
    assert program.folds == 3


def test_other_folds_are_another_data_set(table: pd.DataFrame) -> None:
    """A run whose function says something else is not gone on with."""
    written("by_site")
    plan = plan_run("config.yaml")
    before = plan.blueprint.data_sha
    again = plan_run("config.yaml").blueprint.data_sha
    with open_run(plan) as (journal, history):
        begin_run(plan, journal, history)
        trial = {"values": {}, "candidate": "c", "source_sha": "0", "num_parameters": 1}
        journal.append("trial", trial_id="00000", **trial)
        journal.append("report", trial_id="00000", epoch=1, metrics={}, seconds=1.0)
    Path("neighbour.py").write_text('SITES = {"a": 1, "b": 0, "c": 2}\n', encoding="utf-8")
    sys.modules.pop("neighbour", None)

    assert before == again
    changed = plan_run("config.yaml")
    assert changed.blueprint.data_sha != before
    told = r"or splits\.py:by_site deals other rows than before"
    with pytest.raises(RunError, match=told), open_run(changed):
        pass


def test_it_is_found_beside_the_config(
    table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The config may lie elsewhere than the command is typed; the run remembers where it was."""
    written("by_site")
    Path("deep").mkdir()
    for file in ("splits.py", "neighbour.py", "config.yaml"):
        Path(file).rename(f"deep/{file}")

    plan = plan_run("deep/config.yaml")

    assert plan.experiment.rank.split == "deep/splits.py:by_site"


@pytest.mark.parametrize(
    ("split", "told"),
    [
        ("never", "gives 0 training and 1 held-out rows for fold 1; each fold must have some"),
        ("both", "gives row 2 for training and as held out in fold 0; no row is both"),
        ("again", "gives row 3 as held out in folds 0 and 1; each row is held out at most once"),
        ("outside", "gives row 80 among the held-out rows of fold 0; there are the rows 0 to 79"),
        ("before", "gives row -1 among the training rows of fold 0; there are"),
        ("halves", "gives float64 of shape (2,) for the training rows of fold 0; they must be"),
        ("short", "gives 2 fold numbers; there are 80 rows"),
        ("holes", "gives the fold numbers 0, 2; they must be 0, 1, ... without a gap"),
        ("words", "gives <U1 of shape (80,); it must give pairs"),
        ("reals", "gives float64 of shape (80,); it must give pairs"),
        ("nothing", "gives nothing; it must give pairs"),
        ("endless", "gives row 0 as held out in folds 0 and 1"),
        ("breaks", "failed: line "),
        ("breaks", "`return rows[\"sight\"]`: KeyError: 'sight'; it is called with the training"),
        ("leaves", "SystemExit: no"),
        ("bysite", "splits.py has no function 'bysite'; did you mean 'by_site'?"),
        ("one_class", "that it trains on are of class 'yes'; each fold must train on two"),
    ],
)
def test_what_are_no_folds_is_told_in_one_line(table: pd.DataFrame, split: str, told: str) -> None:
    """File, line and key, what was given, what must hold."""
    with pytest.raises(Exception, match=r"^config\.yaml:5: rank\.split: ") as error:
        written(split, folds=2)

    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("split", "told"),
    [
        ("rank: {split: missing.py:deal}", "no such file: missing.py; its path counts from here"),
        ("rank: {split: splits.py:by_site}", "gives 3 folds; rank.folds is 5; set rank.folds: 3"),
        ("rank: {split: broken.py:deal}", "failed: line 1: "),
        ("rank: {split: splits.py:by_site, by: site}", "and by; grouped, "),
        ("rank: {split: splits.by_site}", "or a function such as my_splits.py:split"),
    ],
)
def test_what_is_no_function_is_told_in_one_line(
    table: pd.DataFrame, split: str, told: str
) -> None:
    """Before anything is trained."""
    Path("broken.py").write_text("def deal(:\n", encoding="utf-8")
    written("by_site")
    text = Path("config.yaml").read_text(encoding="utf-8").splitlines()
    text[4] = split
    Path("config.yaml").write_text("\n".join(text), encoding="utf-8")

    with pytest.raises(ConfigError, match=r"^config\.yaml:5: rank\.") as error:
        plan_run("config.yaml")
    assert told in str(error.value)


def test_images_are_dealt_by_their_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function sees a column of labels where there is no table."""
    monkeypatch.chdir(tmp_path)
    Path("splits.py").write_text(
        "import numpy as np\n"
        "def halves(rows):\n"
        "    assert list(rows.columns) == ['label']\n"
        "    return np.arange(len(rows)) % 2\n",
        encoding="utf-8",
    )
    Path("config.yaml").write_text(
        "task: {name: ImageClassification, dataset: {name: digits}}\n"
        "rank: {split: splits.py:halves, folds: 2}\n",
        encoding="utf-8",
    )
    blueprint: Any = plan_run("config.yaml").blueprint

    y = blueprint.load_arrays()["y"]

    assert blueprint.split(y, 1)[1].tolist() == list(range(1, len(y), 2))


def test_images_of_a_folder_are_dealt_by_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names of files tell what belongs together; no pixel is read for it."""
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    for name in [f"{label}/p{person}_{i}.png" for label in "ab" for person in "123" for i in "123"]:
        Path("faces", name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(Path("faces", name))
    Path("splits.py").write_text(
        "def person(rows):\n"
        "    return rows['file'].str.extract(r'p(\\d)_')[0].astype(int).to_numpy() - 1\n",
        encoding="utf-8",
    )
    Path("config.yaml").write_text(
        "task: {name: ImageClassification, dataset: {path: faces}}\n"
        "rank: {split: splits.py:person, folds: 3}\n",
        encoding="utf-8",
    )
    blueprint: Any = plan_run("config.yaml").blueprint

    folds = [blueprint.split(blueprint.load_arrays()["y"], fold)[1] for fold in range(3)]

    assert sorted(np.concatenate(folds)) == list(range(blueprint.spec.num_rows))
