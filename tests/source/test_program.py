"""Files that are to be compared: which are refused by their text, and what their copies are."""

from __future__ import annotations

from pathlib import Path

import pytest

from raygen.errors import ConfigError
from raygen.source.files import config_of
from raygen.source.program import read_programs

GOLDEN = Path(__file__).parents[1] / "golden"
TEXT = (GOLDEN / "torch_people_mlp.py").read_text(encoding="utf-8")


def test_a_file_with_its_own_folds_is_ranked_as_it_is(tmp_path: Path) -> None:
    """Nothing is replaced where nothing else is wanted, not even the end of a line."""
    write(tmp_path, "model.py", TEXT)
    [program] = read_programs(["model.py"], tmp_path)

    assert program.dealt(program.folds, 1) == program.source
    assert program.source.text == TEXT


def test_other_folds_change_one_literal_alone(tmp_path: Path) -> None:
    """All other bytes are those of the file, a comment behind the constant and é before it too."""
    text = TEXT.replace("FOLDS = 5", "FOLDS = 5  # é").replace("SEED = 0", "# é\nSEED = 0")
    write(tmp_path, "model.py", text)
    [program] = read_programs(["model.py"], tmp_path)

    assert program.dealt(10, 1).text == text.replace("FOLDS = 5  # é", "FOLDS = 10  # é")


def test_repeats_deal_the_rows_of_a_file_anew(tmp_path: Path) -> None:
    """The copy has as many folds as all repeats together; its first deal is the file's own."""
    write(tmp_path, "model.py", TEXT)
    [program] = read_programs(["model.py"], tmp_path)
    copy = program.dealt(5, 2)

    assert (copy.constants["FOLDS"], copy.constants["REPEATS"]) == (10, 2)
    write(tmp_path, "copy.py", copy.text)
    [again] = read_programs(["copy.py"], tmp_path)
    assert (again.folds, again.repeats) == (5, 2)
    assert again.dealt(3, 4).constants["FOLDS"] == 12


def test_a_split_of_the_users_own_cannot_be_dealt_anew(tmp_path: Path) -> None:
    """Nobody knows what another deal of it would be."""
    write(tmp_path, "model.py", TEXT.replace("part = deal(y, FOLDS)", "part = deal(y * 0, FOLDS)"))
    [program] = read_programs(["model.py"], tmp_path)

    with pytest.raises(ConfigError, match=r"^model\.py: 2 repeats wanted; .*remove --repeats"):
        program.dealt(5, 2)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def f(:\n", r"^a\.py:1: no Python"),
        ("", r"^a\.py: FOLDS: missing; it must be a whole number"),
        (TEXT.replace("FOLDS = 5", 'FOLDS = "5"'), r"FOLDS: '5'; it must be a whole number"),
        (TEXT.replace("FOLDS = 5", "FOLDS = 1"), r"FOLDS: 1 given; it must be at least 2"),
        (TEXT.replace("def train(", "def learn("), r"^a\.py: no function train;"),
        (TEXT.replace("resume", "again"), r"^a\.py: train: no resume;"),
    ],
)
def test_what_is_no_program_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """One line says which file, and what it must have."""
    write(tmp_path, "a.py", text)

    with pytest.raises(ConfigError, match=told):
        read_programs(["a.py"], tmp_path)


def test_files_must_be_there_once_and_agree_on_the_metric(tmp_path: Path) -> None:
    """What cannot be compared is not begun."""
    write(tmp_path, "a.py", TEXT)
    write(tmp_path, "b.py", TEXT.replace('METRIC = "', 'METRIC = "other_'))

    with pytest.raises(ConfigError, match=r"^no\.py: cannot be read"):
        read_programs(["a.py", "no.py"], tmp_path)
    with pytest.raises(ConfigError, match=r"^a\.py: named twice"):
        read_programs(["a.py", "a.py"], tmp_path)
    with pytest.raises(ConfigError, match=r"a\.py: named twice"):
        read_programs(["a.py", f"../{tmp_path.name}/a.py"], tmp_path)
    write(tmp_path, "same.py", TEXT)
    with pytest.raises(
        ConfigError, match=r"^same\.py: the very text of a\.py; each is ranked once"
    ):
        read_programs(["a.py", "same.py"], tmp_path)
    with pytest.raises(ConfigError, match=r"^b\.py: METRIC is other_"):
        read_programs(["a.py", "b.py"], tmp_path)


def test_the_longest_of_the_files_says_how_long_a_training_may_be(tmp_path: Path) -> None:
    """Each is trained for its own EPOCHS, the search allows the most."""
    write(tmp_path, "a.py", TEXT)
    [program] = read_programs(["a.py"], tmp_path)
    epochs = program.constants["EPOCHS"]
    write(tmp_path, "b.py", TEXT.replace(f"EPOCHS = {epochs}", "EPOCHS = 99"))

    config = config_of(read_programs(["a.py", "b.py"], tmp_path))

    assert config["search"]["max_epochs"] == 99
    assert config["rank"]["top"] == 2


def write(folder: Path, name: str, text: str) -> None:
    """Put a file into a folder."""
    (folder / name).write_text(text, encoding="utf-8")
