"""Is the text of a fine-tuning program good, standalone and short?"""

from __future__ import annotations

import ast
import difflib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny import planned, write_config

from raygen.finetune.blueprint import PretrainedBlueprint
from raygen.finetune.methods import METHODS
from raygen.plan import plan_run
from raygen.source.candidate import Candidate

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "finetune_texts_lora.py"
PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def test_text_is_that_of_the_golden_file(folder: Path, model: Path) -> None:
    """What is rendered is what was reviewed; RAYGEN_GOLDEN=1 writes it anew for a review."""
    training = {"batch_size": 16, "learning_rate": 1e-3, "precision": "auto"}
    blueprint = planned(write_config(folder, model, model={"training": training}))
    names = {"PRETRAINED": "owner/tiny-bert", "DATA": "texts.parquet"}
    spec = replace(blueprint.spec, constants=blueprint.spec.constants | names)
    text = replace(blueprint, spec=spec).render(Candidate({})).text
    if os.environ.get("RAYGEN_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")

    expected = GOLDEN.read_text(encoding="utf-8")

    assert text == expected, "\n".join(
        difflib.unified_diff(expected.splitlines(), text.splitlines(), "golden", "rendered")
    )


def test_program_is_short_and_standalone(folder: Path, model: Path) -> None:
    """Fewer than 262 lines of statements, and neither RayGen nor Ray among them."""
    text = planned(write_config(folder, model)).render(Candidate({})).text

    assert len(statement_lines(text)) < 262
    assert [name for name in ("import raygen", "from raygen", "import ray") if name in text] == []


@pytest.mark.parametrize("framework", ["pretrained", "torch"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["--data", "lost.parquet"],
        ["--predict", "texts.parquet", "--weights", "lost"],
    ],
    ids=["data", "weights"],
)
def test_program_names_a_file_that_is_not_there(
    folder: Path, model: Path, framework: str, arguments: list[str]
) -> None:
    """In one line, without a traceback; of a network as of a pretrained model."""
    config = write_config(folder, model)
    if framework == "torch":
        table = f"{{path: {folder / 'texts.parquet'}, text: text}}"
        told = f"task: {{name: TextClassification, dataset: {table}}}\n"
        layers = "[{embedding: {width: 8}}, global_pool]"
        config.write_text(f"{told}model: {{layers: {layers}}}\noutput: {folder / 'model.py'}\n")
    text = plan_run(config).blueprint.render(Candidate({})).text
    (folder / "emitted.py").write_text(text, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "emitted.py", *arguments], cwd=folder, capture_output=True, text=True
    )

    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert last.startswith("FileNotFoundError: ")
    assert "lost" in last
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("method", [name for name in METHODS if not METHODS[name].needs_gpu])
def test_program_passes_the_linter(folder: Path, model: Path, method: str) -> None:
    """Each method's program is as formatted and as clean as what is written by hand."""
    training = {"checkpointing": True, "compile": True, "schedule": "cosine", "dropout": 0.1}
    options: list[dict[str, Any]] = [{}, training if method == "full" else {}]
    blueprints = [
        planned(write_config(folder, model, model={"method": method, "training": each}))
        for each in options
    ]
    blueprints.append(replace(blueprints[0], strategy="fsdp"))

    assert [lint(each, folder) for each in blueprints] == [""] * 3


def test_tagging_program_passes_the_linter(folder: Path, model: Path) -> None:
    """So does that of a token classification."""
    task = {"name": "TokenClassification", "dataset": {"path": str(folder / "tagged.parquet")}}

    assert lint(planned(write_config(folder, model, task=task)), folder) == ""


def lint(blueprint: PretrainedBlueprint, folder: Path) -> str:
    """What ruff has to say of a program."""
    path = folder / "linted.py"
    path.write_text(blueprint.render(Candidate({})).text, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    told = ""
    for words in (["check", "--quiet"], ["format", "--diff", "--quiet"]):
        command = [*ruff, *words, "--config", str(PYPROJECT), str(path)]
        told += subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return told


def statement_lines(text: str) -> list[str]:
    """The lines of a program without blank lines, comments and docstrings."""
    strings = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    return [
        line
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#") and number not in strings
    ]
