from __future__ import annotations

import inspect

import numpy as np
import pytest

from raygen.config.spaces import list_spaces
from raygen.errors import ConfigError
from raygen.tasks.fragments import metrics
from raygen.tasks.task import METRICS, TASKS, Objective, Task, objectives_of


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_task_has_what_it_names(task: Task) -> None:
    """Default metric and default space exist, and the metric is printed first."""
    assert task.metric in task.metrics
    assert task.space in list_spaces()
    for name in task.metrics:
        assert task.scores(name)[0] == name
        assert set(task.scores(name)) <= set(task.metrics)


def test_every_metric_is_a_function_and_belongs_to_a_task() -> None:
    """The table of directions and the functions that land in a model.py are one list."""
    functions = {name for name, _ in inspect.getmembers(metrics, inspect.isfunction)}

    assert functions == set(METRICS)
    assert set(METRICS) == {name for task in TASKS.values() for name in task.metrics}


@pytest.mark.parametrize("name", METRICS)
def test_a_direction_is_what_it_says(name: str) -> None:
    """Perfect predictions score better than poor ones."""
    y = np.array([0, 1, 0, 1])
    if name in TASKS["TabularRegression"].metrics:
        good, bad = y.astype(float), np.array([0.5, 0.1, 0.9, 0.2])
    else:
        good, bad = np.eye(2)[y], np.full((4, 2), 0.5)[:, [0, 1]] + [[0.1, -0.1]]
    better = getattr(metrics, name)(y, good) - getattr(metrics, name)(y, bad)

    assert better > 0 if METRICS[name] == "max" else better < 0


def test_objectives_are_chosen_or_refused() -> None:
    """The default by task, those that were asked for, or one line."""
    task, where = "TabularRegression", "config.yaml:3: task.metric"
    assert objectives_of(task, (), where=where) == (Objective("r2", "max"),)
    assert objectives_of(task, ("mae", "num_parameters"), where=where) == (
        Objective("mae", "min"),
        Objective("num_parameters", "min"),
    )
    with pytest.raises(ConfigError, match=r"config.yaml:3: .*no metric 'rmsee'; did you mean rmse"):
        objectives_of(task, ("rmsee",), where=where)
    with pytest.raises(ConfigError, match="it has r2, rmse, mae"):
        objectives_of(task, ("zzz",), where=where)
    with pytest.raises(ConfigError, match="metrics must differ"):
        objectives_of(task, ("r2", "r2"), where=where)
    with pytest.raises(ConfigError, match=r"write \[r2, num_parameters\]"):
        objectives_of(task, ("num_parameters",), where=where)
