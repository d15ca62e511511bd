"""Which small data sets, one of every kind, are rendered and trained on in the tests?"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from raygen.config.space import Space
from raygen.config.spaces import load_space
from raygen.data.spec import DataSpec
from raygen.source.render import Blueprint
from raygen.tasks.task import TASKS, objectives_of

_TABLE: dict[str, Any] = {
    "DATA": "data/people.csv",
    "TARGET": "income",
    "NUMERIC": ("age", "hours"),
    "CATEGORIES": {"work": 3, "sex": 2},
    "MISSING": ("hours", "work"),
}


def _image(uri: str, shape: tuple[int, int, int], classes: int) -> DataSpec:
    constants = {"DATA": uri, "ARRAYS": ("x_train", "y_train", "x_test", "y_test")}
    return _spec(uri, "npz", "image", shape, tuple(range(classes)), constants)


def _spec(
    uri: str,
    source: str,
    modality: Any,
    shape: tuple[int, ...],
    classes: tuple[str | int, ...],
    constants: Mapping[str, Any],
) -> DataSpec:
    given = dict(constants) | ({"CLASSES": classes} if classes else {})
    return DataSpec(
        uri=uri,
        source=source,
        modality=modality,
        sha="0" * 16,
        num_rows=1000,
        num_test_rows=250,
        input_shape=shape,
        classes=classes,
        constants=given,
    )


_AT_URI = "s3://bucket/people.csv"
SPECS: dict[str, DataSpec] = {
    "digits": _spec("digits", "digits", "image", (8, 8, 1), tuple(range(10)), {"DATA": "digits"}),
    "clothes": _image("data/clothes.npz", (28, 28, 1), 10),
    "photos": _image("data/photos.npz", (12, 16, 3), 3),
    "people": _spec("data/people.csv", "csv", "table", (11,), ("<=50K", ">50K"), _TABLE),
    "citizens": _spec(
        _AT_URI, "csv", "table", (11,), ("<=50K", ">50K"), _TABLE | {"DATA": _AT_URI}
    ),
    "wages": _spec("data/people.csv", "csv", "table", (11,), (), _TABLE),
    "news": _spec(
        "data/news.parquet",
        "parquet",
        "text",
        (24,),
        ("business", "science", "sport", "world"),
        {
            "DATA": "data/news.parquet",
            "TARGET": "label",
            "TEXT": "text",
            "TRAIN_SPLIT": "train",
            "TEST_SPLIT": "test",
            "MAX_LENGTH": 24,
            "VOCABULARY": 60,
        },
    ),
}
"""By the name of an experiment."""

_TASKS = {"image": "ImageClassification", "text": "TextClassification"}


def blueprint(name: str, space: str | Space, framework: str, **changes: Any) -> Blueprint:
    """The blueprint of an experiment on one of the data sets above."""
    spec = changes.pop("spec", SPECS[name])
    predicts = "Classification" if spec.classes else "Regression"
    task_name = _TASKS.get(spec.modality, f"Tabular{predicts}")
    settings: dict[str, Any] = {
        "name": name,
        "framework": framework,
        "task_name": task_name,
        "task": TASKS[task_name],
        "objectives": objectives_of(task_name, (), where=""),
        "spec": spec,
        "space": load_space(space) if isinstance(space, str) else space,
        "seed": 0,
        "folds": 5,
        "epochs": 4,
        "threads": 1,
    }
    return Blueprint(**(settings | changes))


def draw_rows(spec: DataSpec, num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Training rows as the data set's ``load_data`` would give them, with something to learn."""
    rng = np.random.default_rng(7)
    y = rng.integers(spec.num_classes, size=num_rows) if spec.classes else rng.normal(size=num_rows)
    if spec.modality == "image":
        x = rng.integers(200, size=(num_rows, *spec.input_shape))
        return (x + 5 * y.reshape(-1, 1, 1, 1)).astype(np.uint8), y
    if spec.modality == "text":
        words = rng.integers(1, 2**62, size=80)
        x = words[rng.integers(20, size=(num_rows, *spec.input_shape)) + 15 * y[:, np.newaxis]]
        x[:, 18:] = 0
        return x, y
    x = np.stack([rng.normal(size=num_rows) + y, *rng.integers(5.0, size=(3, num_rows))], axis=1)
    x[rng.random(x.shape) < [0, 0.2, 0.2, 0]] = np.nan
    return x, y


_numbers = itertools.count()


def load_program(path: Path) -> ModuleType:
    """Import a model.py under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"model_{next(_numbers)}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
