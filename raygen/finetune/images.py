"""Do the pretrained model and a data set of images fit each other? Asked before any training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from raygen.config.schema import Experiment
from raygen.data.encoded_images import DEFAULT_SIDE
from raygen.data.inspect import inspect
from raygen.data.loaders import loader_fragments
from raygen.data.spec import STRATIFIED, DataSpec, Deal
from raygen.errors import DataError
from raygen.finetune.base_model import fingerprint, fit_head, foreign_files, name_in_program
from raygen.finetune.inspect import FinetuningSpec
from raygen.finetune.pretrained import check_weights, find_model
from raygen.finetune.tasks import FinetuningTask


def inspect_images(
    experiment: Experiment, task: FinetuningTask, *, reserved: int = 0, deal: Deal = STRATIFIED
) -> FinetuningSpec:
    """Find out what a program must know, and refuse what cannot be.

    Images are read as for networks of layers; the model's size is reached batch by batch.

    Args:
        experiment: Of a pretrained model.
        task: The row of its task.
        reserved: Of no meaning for images.
        deal: How they are dealt into folds.

    Raises:
        ConfigError: The model has no head for the task, or the data set is not named rightly.
        DataError: Model, processor or images are not there, or cannot be read.
        EnvironmentProblem: torch, transformers or peft is not installed.
    """
    with foreign_files(experiment):
        return _inspect(experiment, task, deal)


def _inspect(experiment: Experiment, task: FinetuningTask, deal: Deal) -> FinetuningSpec:
    where = experiment.origin.where("model.pretrained")
    folder = find_model(str(experiment.model.pretrained), where=where)
    check_weights(str(experiment.model.pretrained), where=where)
    seen = _seen(folder, where)
    data = _data(experiment, max(seen["SIZE"]), deal)
    anatomy = fit_head(folder, task.auto_class, where=where, num_labels=len(data.classes))
    pretrained = name_in_program(experiment.model.pretrained, folder)
    return FinetuningSpec(
        uri=data.uri,
        folder=folder,
        anatomy=anatomy,
        fragments=(*task.fragments, *loader_fragments(data)[:-1]),
        constants={**data.constants, **seen, "DATA": data.uri, "PRETRAINED": pretrained},
        sha=fingerprint(data.sha, None, folder),
        num_rows=data.num_rows,
        num_test_rows=data.num_test_rows,
        classes=data.classes,
        cut=data.left_out,
    )


def _seen(folder: Path, where: str) -> dict[str, Any]:
    """Size, mean and spread of the images that the model was trained with."""
    file = folder / "preprocessor_config.json"
    if not file.is_file():
        raise DataError(
            f"{folder} has no preprocessor_config.json",
            where=where,
            must="the folder of a model of images must say how it sees them",
            remedy="write it there by AutoImageProcessor.save_pretrained(FOLDER)",
        )
    given = json.loads(file.read_text(encoding="utf-8"))
    size = given.get("crop_size") or given.get("size") or 224
    if isinstance(size, dict):
        side = size.get("shortest_edge", 224)
        size = (size.get("height", side), size.get("width", side))
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    return {
        "SIZE": sides,
        "MEAN": tuple(given.get("image_mean") or (0.5, 0.5, 0.5)),
        "STD": tuple(given.get("image_std") or (0.5, 0.5, 0.5)),
    }


def _data(experiment: Experiment, side: int, deal: Deal) -> DataSpec:
    """The images as they are; those of several sizes, and large ones, in the size of the model."""
    dataset, folds = experiment.task.rows, experiment.rank.folds
    terms: dict[str, Any] = {"modality": "image", "regression": False, "folds": folds}
    terms |= {"origin": experiment.origin, "deal": deal}
    found = inspect(dataset, **terms)
    if found.constants.get("IMAGE_SIZE") != (DEFAULT_SIDE, DEFAULT_SIDE) or dataset.image_size:
        return found
    sized = dataset.model_copy(update={"image_size": side})
    return inspect(sized, **terms)
