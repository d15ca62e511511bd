"""Which tasks there are, and what each takes, predicts and is scored by."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from raygen.data.spec import Modality
from raygen.errors import ConfigError

Mode = Literal["max", "min"]

METRICS: dict[str, Mode] = {
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

MEASURES: dict[str, Mode] = {"num_parameters": "min", "latency_ms": "min", "seconds": "min"}
"""What is known of every trial without a metric, and can be a further objective."""

_OF_CLASSES = ("accuracy", "balanced_accuracy", "macro_f1", "auc", "log_loss")
_OF_VALUES = ("r2", "rmse", "mae")


@dataclass(frozen=True)
class Objective:
    """One score of a trial that the search makes as good as it can."""

    name: str
    mode: Mode

    @property
    def sign(self) -> float:
        """What turns the score into one that is better when it is higher."""
        return 1.0 if self.mode == "max" else -1.0


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


def objectives_of(task_name: str, metrics: Sequence[str], *, where: str) -> tuple[Objective, ...]:
    """What a run is searched by; the first is also what it is ranked by.

    Args:
        task_name: Key of ``TASKS``.
        metrics: As the YAML names them; empty for the usual one of the task.
        where: The key of the YAML.

    Raises:
        ConfigError: The task is not scored by one of them, or one is given twice.
    """
    task = TASKS[task_name]
    for name in metrics:
        if name not in task.metrics and name not in MEASURES:
            near = difflib.get_close_matches(name, (*task.metrics, *MEASURES), n=1)
            raise ConfigError(
                f"{task_name} has no metric {name!r}",
                where=where,
                must=f"did you mean {near[0]}?" if near else f"it has {', '.join(task.metrics)}",
            )
    if len(set(metrics)) < len(metrics):
        raise ConfigError("a metric given twice", where=where, must="metrics must differ")
    if metrics and metrics[0] in MEASURES:
        raise ConfigError(
            f"{metrics[0]!r} given first",
            where=where,
            must="the first metric ranks the candidates, so it must be a score",
            remedy=f"write [{task.metric}, {metrics[0]}]",
        )
    directions = METRICS | MEASURES
    return tuple(Objective(name, directions[name]) for name in metrics or (task.metric,))
