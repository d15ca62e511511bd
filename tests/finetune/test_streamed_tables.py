"""Is a table that is read in parts what it is when it is read as a whole?"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_program_text import lint
from tiny import planned, program_of, write_config
from tiny_writers import section, tiny_llama

from raygen.errors import ConfigError, RaygenError
from raygen.finetune import sample
from raygen.finetune.blueprint import PretrainedBlueprint
from raygen.source.candidate import Candidate


@pytest.fixture(params=[".parquet", ".jsonl", ".csv"])
def table(request: pytest.FixtureRequest, folder: Path) -> Path:
    """The texts, sorted by split so that most parts have rows of one alone."""
    frame = pd.read_parquet(folder / "texts.parquet").sort_values("split", ascending=False)
    frame["label"] = np.where(frame["label"] == 1, "007", "no")
    path = folder / f"sorted{request.param}"
    match request.param:
        case ".parquet":
            frame.to_parquet(path)
        case ".jsonl":
            frame.to_json(path, orient="records", lines=True)
        case _:
            frame.to_csv(path, index=False)
    return path


def small_parts(blueprint: PretrainedBlueprint, folder: Path) -> Any:
    """A program whose parts have 7 rows."""
    program = program_of(blueprint, folder)
    program.PART_ROWS = 7
    return program


def test_arrays_are_those_of_the_whole(table: Path, folder: Path, model: Path) -> None:
    """Whatever the kind of file, parts give the same rows in the same order, mapped from disk."""
    task = {"name": "TextClassification", "dataset": {"path": str(table)}}
    whole = planned(write_config(folder, model, task=task)).load_arrays()
    task["dataset"] = {"path": str(table), "streamed": True}
    blueprint = planned(write_config(folder, model, task=task))

    parts = small_parts(blueprint, folder).load_in_parts()

    assert (blueprint.spec.num_rows, blueprint.spec.num_test_rows) == (48, 12)
    for expected, found in zip(whole.values(), parts, strict=True):
        assert isinstance(found, np.memmap)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    assert set(blueprint.load_arrays()) == {"x", "y", "x_test", "y_test"}
    assert lint(blueprint, folder) == ""


def test_emitted_program_reads_in_parts(folder: Path, model: Path) -> None:
    """It trains on them as on the whole: the same scores."""
    printed = []
    for more in ({}, {"streamed": True}):
        dataset = {"path": str(folder / "texts.parquet"), **more}
        task = {"name": "TextClassification", "dataset": dataset}
        text = planned(write_config(folder, model, task=task)).render(Candidate({})).text
        (folder / "model.py").write_text(text.replace("PART_ROWS = 10000", "PART_ROWS = 9"))
        done = subprocess.run(
            [sys.executable, "model.py"], cwd=folder, capture_output=True, text=True, check=True
        )
        printed.append([json.loads(line) for line in done.stdout.splitlines()])

    assert printed[0] == printed[1]
    assert "load_in_parts" in text


def test_a_sample_has_every_label(
    folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A label far down in the table, where no text is looked at any more, is a class too."""
    frame = pd.read_parquet(folder / "texts.parquet")
    frame.loc[frame.index[-4:], "label"] = 2
    frame["split"] = np.where(np.arange(len(frame)) % 4 < 2, "test", "train")
    frame.to_parquet(folder / "texts.parquet")
    monkeypatch.setattr(sample, "_SAMPLED", 10)
    dataset = {"path": str(folder / "texts.parquet"), "streamed": True}
    task = {"name": "TextClassification", "dataset": dataset}

    spec = planned(write_config(folder, model, task=task)).spec

    assert spec.classes == (0, 1, 2)
    assert (spec.num_rows, spec.num_test_rows) == (30, 30)


@pytest.mark.parametrize(
    ("column", "cells", "told"),
    [
        ("tokens", None, "row 23 of column 'tokens' holds nothing"),
        ("tags", ["B-PER"], "row 23 has 2 words and 1 tags"),
        ("tags", ["O", "I-PER"], "row 23 has I-PER behind O"),
    ],
)
def test_rows_are_counted_from_the_first_of_the_table(
    folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch, column: str, cells: Any, told: str
) -> None:
    """A row that is refused has the number that it has in the file, not in its part."""
    frame = pd.read_parquet(folder / "tagged.parquet")
    frame.at[23, "tokens"], frame.at[23, "tags"] = ["good", "film"], ["O", "O"]
    frame.at[23, column] = cells
    frame.to_parquet(folder / "tagged.parquet")
    monkeypatch.setattr(sample, "PART_ROWS", 7)
    monkeypatch.setattr(sample, "_SAMPLED", 10)
    dataset = {"path": str(folder / "tagged.parquet"), "streamed": True}
    task = {"name": "TokenClassification", "dataset": dataset}

    with pytest.raises(RaygenError, match=told):
        planned(write_config(folder, model, task=task))


def test_blocks_of_running_text_are_cut_in_parts(tmp_path: Path) -> None:
    """Each part is packed by itself; the last block of one is filled."""
    llama = tiny_llama(tmp_path / "llama")
    frame = pd.DataFrame(
        {"text": ["the dog runs"] * 400, "split": ["train"] * 300 + ["test"] * 100}
    )
    frame.to_json(tmp_path / "texts.jsonl", orient="records", lines=True)
    dataset = {"path": str(tmp_path / "texts.jsonl"), "max_length": 16, "streamed": True}
    task = {"name": "CausalLM", "dataset": dataset}
    blueprint = planned(write_config(tmp_path, llama, task=task, model=section(llama)))

    program = small_parts(blueprint, tmp_path)
    program.PART_ROWS = 100
    x, y, x_test, _ = program.load_in_parts()

    assert x.shape[1:] == (16,)
    assert len(x) == 3 * len(x_test)
    assert (x >= 0).sum() == 3 * (x_test >= 0).sum()
    assert len(y) == len(x)


def test_what_cannot_be_read_in_parts_is_refused(tmp_path: Path) -> None:
    """A text file, and a network that is no pretrained model, are refused at once."""
    llama = tiny_llama(tmp_path / "llama")
    (tmp_path / "book.txt").write_text("the dog runs\n" * 400)
    task = {"name": "CausalLM", "dataset": {"path": str(tmp_path / "book.txt"), "streamed": True}}
    with pytest.raises(ConfigError, match=r"streamed: .* must be a csv, jsonl or parquet file"):
        planned(write_config(tmp_path, llama, task=task, model=section(llama)))

    path = tmp_path / "config.yaml"
    path.write_text("task: {name: TextClassification, dataset: {path: x.csv, streamed: true}}\n")
    with pytest.raises(ConfigError, match=r"streamed given, and no model\.pretrained"):
        planned(path)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_table_at_a_uri_is_the_table(
    table: Path, folder: Path, model: Path, web: Any, streamed: bool
) -> None:
    """Whether it is read whole or in parts, by RayGen and by the program."""
    uri = f"{web.uri}/{table.name}"
    dataset = {"path": str(table), "streamed": streamed}
    task: dict[str, Any] = {"name": "TextClassification", "dataset": dataset}
    expected = planned(write_config(folder, model, task=task))
    dataset["path"] = uri

    blueprint = planned(write_config(folder, model, task=task))

    assert (blueprint.spec.uri, blueprint.data_sha) == (uri, expected.data_sha)
    program = program_of(blueprint, folder)
    load = program.load_in_parts if streamed else program.load_data
    for array, found, own in zip(
        expected.load_arrays().values(), blueprint.load_arrays().values(), load(), strict=True
    ):
        np.testing.assert_array_equal(found, array)
        np.testing.assert_array_equal(own, array)
    assert web.loaded == [f"/{table.name}"]
    assert lint(blueprint, folder) == ""
