"""Which files beside it does a config name? They must be on the cluster, too."""

from __future__ import annotations

import os
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
        (key, path)
        for key, path in _given(experiment, folder)
        if path and not path.startswith(("/", "~")) and not is_uri(path)
    ]
    return tuple((key, os.path.relpath(_found(path, folder), folder)) for key, path in relative)


def _given(experiment: Experiment, folder: Path) -> Iterator[tuple[str, str]]:
    task, model = experiment.task, experiment.model
    yield "task.dataset.path", (task.dataset and task.dataset.path) or ""
    beside = Path(task.folder or "")
    if task.objective:
        yield "task.objective", str(beside / task.objective.rpartition(":")[0])
    if task.command:
        yield "task.folder", str(beside)
    for file in task.files or ():
        yield "task.files", str(beside / file)
    yield "rank.split", experiment.rank.function.rpartition(":")[0]
    for key, name in (("model.space", model.space), ("model.pretrained", model.pretrained)):
        yield (
            key,
            name if name and (folder / name).exists() else "",
        )  # else a name of ours, or hubs'
    for source in experiment.search.start_from:
        if isinstance(source, str) and (folder / source).exists():
            yield "search.start_from", source


def _found(path: str, folder: Path) -> Path:
    """Where it is: below the config's folder, or, of a function that deals rows, below this one."""
    beside = folder / path
    return beside if beside.exists() or not Path(path).exists() else Path(path).resolve()
