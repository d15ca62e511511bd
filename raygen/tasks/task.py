"""Which tasks there are, and what each takes, predicts and is scored by."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from raygen.data.spec import Modality
from raygen.errors import ConfigError

METRICS: dict[str, Literal["max", "min"]] = {
    "accuracy": "max",
    "balanced_accuracy": "max",
    "macro_f1": "max",
    "auc": "max",
    "log_loss": "min",
    "r2": "max",
    "rmse": "min",
    "mae": "min",
}
"""Every metric and its direction; each is a function of ``tasks/fragments/metrics.py``."""

_OF_CLASSES = ("accuracy", "balanced_accuracy", "macro_f1", "auc", "log_loss")
_OF_VALUES = ("r2", "rmse", "mae")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One row of the table of tasks."""

    modality: Modality
    predicts: Literal["classes", "values"]
    metric: str
    """The metric if the YAML names none."""
    space: str
    """The search space if the YAML names none."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that can be asked for."""
        return _OF_CLASSES if self.predicts == "classes" else _OF_VALUES

    def scores(self, metric: str) -> tuple[str, ...]:
        """The metrics a model.py of this task prints: its own one first."""
        usual = ("accuracy", "log_loss") if self.predicts == "classes" else ("r2", "rmse")
        return (metric, *(name for name in usual if name != metric))


TASKS: dict[str, Task] = {
    "ImageClassification": Task(
        modality="image", predicts="classes", metric="accuracy", space="image/convnet"
    ),
    "TabularClassification": Task(
        modality="table", predicts="classes", metric="accuracy", space="tabular/mlp"
    ),
    "TabularRegression": Task(
        modality="table", predicts="values", metric="r2", space="tabular/mlp"
    ),
    "TextClassification": Task(
        modality="text", predicts="classes", metric="accuracy", space="text/textcnn"
    ),
}


def metric_of(task_name: str, metric: str | None, *, where: str) -> str:
    """The metric a run is ranked by.

    Raises:
        ConfigError: The task is not scored by it.
    """
    task = TASKS[task_name]
    if metric is None:
        return task.metric
    if metric not in task.metrics:
        near = difflib.get_close_matches(metric, task.metrics, n=1)
        raise ConfigError(
            f"{task_name} has no metric {metric!r}",
            where=where,
            must=f"did you mean {near[0]}?" if near else f"it has {', '.join(task.metrics)}",
        )
    return metric
