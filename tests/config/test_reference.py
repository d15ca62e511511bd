from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from raygen.config import TRAINING_SETTINGS, load_experiment, parse_experiment
from raygen.config.document import parse_document
from raygen.config.model_section import METHOD_KEYS
from raygen.config.reference import config_reference, json_schema, starter_config
from raygen.config.schema import Experiment
from raygen.config.task_section import PRETRAINED_ONLY, TaskName
from raygen.errors import ConfigError

ROOT = Path(__file__).parents[2]


def test_the_page_in_docs_is_fresh() -> None:
    """docs/config.md is what the schema says today."""
    page = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")

    assert page == config_reference(), "write config_reference() into it"


def test_every_key_has_its_row() -> None:
    """Each key of each section and each training setting is told, with a meaning."""
    rows = [line.split(" | ") for line in config_reference().splitlines() if line[:2] == "| "]
    told = {row[0].strip("| []`").split("`")[0] for row in rows}

    assert set(Experiment.model_fields) | set(TRAINING_SETTINGS) <= told
    assert {"image_size", "hang_timeout", "folds", "memory_gb_per_trial"} <= told
    assert all(len(row[-1].strip(" |")) > 3 for row in rows)


def test_examples_in_the_page_are_true() -> None:
    """The YAML shown in the page loads."""
    parts = [part.split("```")[0] for part in config_reference().split("```yaml\n")[1:]]
    task, model, finetuning = parts
    values, _ = parse_document(task + model, file="docs/config.md")
    tuned, _ = parse_document(finetuning, file="docs/config.md")

    assert parse_experiment(values).model.layers
    assert parse_experiment(tuned).model.pretrained


@pytest.mark.parametrize("task", get_args(TaskName))
def test_a_start_is_a_config_of_defaults(tmp_path: Path, task: str) -> None:
    """What `raygen init` writes loads, and says nothing but task and data."""
    path = tmp_path / "config.yaml"
    path.write_text(starter_config(task), encoding="utf-8")

    experiment = load_experiment(path)

    told = experiment.task.model_dump(exclude_defaults=True)
    only: dict[str, object] = {}
    if task == "Custom":
        only = {"parameters": experiment.model.parameters}
    elif task in PRETRAINED_ONLY:
        only = {"pretrained": experiment.model.pretrained}
    assert experiment == parse_experiment({"task": told, "model": only})
    assert set(told) == {"name", "dataset"} or task == "Custom"


@pytest.mark.parametrize("task", get_args(TaskName))
def test_commented_keys_are_keys(task: str) -> None:
    """A key shown in a comment is known: uncommented, only its empty value is at fault or none."""
    uncommented = [
        line.replace("# ", "", 1) if line.split(":")[0].strip().startswith("# ") else line
        for line in starter_config(task).splitlines()[2:]
    ]
    values, _ = parse_document("\n".join(uncommented), file="config.yaml")

    foreign = {"framework", "dataset", "command", "space", "layers", "training", "folds"}
    methods = {"method", *METHOD_KEYS.values()}
    foreign |= {"pretrained"} | methods
    if task != "Custom":
        foreign = {"objective", "command", "folder", "mode"}
        foreign |= {"framework", "space", "layers"} if task in PRETRAINED_ONLY else methods
    assert set(values) == set(Experiment.model_fields) - foreign
    for name, field in Experiment.model_fields.items():
        section = getattr(field.annotation, "model_fields", None)
        assert section is None or set(values[name]) == set(section) - foreign


def test_unknown_tasks_have_no_start() -> None:
    """A near miss is told."""
    with pytest.raises(ConfigError, match="did you mean `TextClassification`"):
        starter_config("TextClasification")


def test_the_json_schema_describes_every_key() -> None:
    """The schema is plain JSON, refuses unknown keys, and describes each known one."""
    told = json.loads(json.dumps(json_schema()))

    for section in (told, *told["$defs"].values()):
        assert section["additionalProperties"] is False
        assert all(each["description"] for each in section["properties"].values())
    assert told["properties"]["framework"]["enum"] == ["torch", "tensorflow"]
