"""Which files beside it does a config name? They must be on the cluster, too."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from raygen.config.schema import Experiment
from raygen.uris import is_uri


def named_files(experiment: Experiment, folder: Path) -> tuple[tuple[str, str], ...]:
    """The keys that name a file or a folder by a relative path, and where that is.

    Args:
        experiment: The config.
        folder: Of the config, from which the paths count.

    Returns:
        Keys, and paths from that folder on.
    """
    relative = [
        (key, os.path.normpath(path))
        for key, path in _given(experiment, folder)
        if path and not path.startswith(("/", "~")) and not is_uri(path)
    ]
    return tuple(dict.fromkeys(relative))


def _given(experiment: Experiment, folder: Path) -> Iterator[tuple[str, str]]:
    task, model = experiment.task, experiment.model
    yield "task.dataset.path", (task.dataset and task.dataset.path) or ""
    beside = Path(task.folder or "")
    yield "task.folder", task.folder or ""
    if task.objective:
        yield "task.objective", str(beside / task.objective.rpartition(":")[0])
    for word in shlex.split(task.command or ""):
        if (folder / beside / word).is_file():  # the program, and what it is told to read
            yield "task.command", str(beside / word)
    for file in task.files or ():
        yield "task.files", str(beside / file)
    yield "rank.split", _from(folder, experiment.rank.function.rpartition(":")[0])
    if model.space and model.space.endswith((".yaml", ".yml")):
        yield "model.space", model.space
    if model.pretrained and _is_there(model.pretrained, folder):  # else it is of the hub
        yield "model.pretrained", model.pretrained
    for source in experiment.search.start_from:
        if isinstance(source, str) and _is_there(source, folder):
            yield "search.start_from", source


def _is_there(path: str, folder: Path) -> bool:
    """Whether it is a file or a folder, here or beside the config."""
    return Path(path).exists() or (folder / path).exists()


def _from(folder: Path, path: str) -> str:
    """The path of a function that deals rows, which is known from here, from the config on."""
    if not path or (folder / path).exists() or not Path(path).exists():
        return path
    return os.path.relpath(Path(path).resolve(), folder)
