"""Do the searcher, the scheduler, the space and the rest of a search go together?

Asked by `raygen check`: nothing of Ray or of a searcher's library is loaded for it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from raygen.config.constraint import Constraint, check_names
from raygen.config.schema import Experiment
from raygen.config.search_section import Search
from raygen.config.space import Choice, Space
from raygen.config.training import FINETUNE_SETTINGS
from raygen.config.words import did_you_mean, listed
from raygen.errors import ConfigError, EnvironmentProblem
from raygen.finetune.tasks import FINETUNING
from raygen.search.schedulers import SCHEDULERS
from raygen.search.strategies import STRATEGIES, Row
from raygen.source.schedule import SCHEDULED, mutable_parameters
from raygen.tasks.task import Objective

_KNOWN_BEFORE = ("num_parameters", "latency_ms")
"""What a constraint may speak of beside the parameters, where RayGen builds the network."""


def check_search(experiment: Experiment, space: Space, objectives: Sequence[Objective]) -> None:
    """Refuse a search that could not do what its config says.

    Raises:
        ConfigError: Something does not go together; the message lists what would.
        EnvironmentProblem: A library is not installed.
    """
    search, where = experiment.search, experiment.origin.where
    _check_algorithm(search, space, objectives, where)
    _check_scheduler(experiment, space, objectives)
    _check_budget(search, space, where)
    _check_evaluate(experiment)
    _check_ensemble(experiment)
    measures = _KNOWN_BEFORE if experiment.task.name != "Custom" else ()
    known = dict.fromkeys([*(each.name for each in space.parameters), *measures])
    for place, text in enumerate(search.constraints):
        key = where(f"search.constraints[{place}]")
        try:
            constraint = Constraint(text)
        except ConfigError as error:
            told = {"must": error.must, "remedy": error.remedy}
            raise ConfigError(error.problem, where=key, **told) from None
        check_names(constraint, known, where=key)
    for place, source in enumerate(search.start_from):
        if not isinstance(source, str) or "://" in source:
            continue
        if not Path(source.partition("#")[0]).exists():
            raise ConfigError(
                f"{source!r} given",
                where=where(f"search.start_from[{place}]"),
                must="it must be a folder of a run, a storage of a study, or a mapping of values",
                remedy="type ls runs",
            )


def _check_evaluate(experiment: Experiment) -> None:
    """Refuse a score by all folds where somebody counts on one that grows with the epochs.

    Raises:
        ConfigError: So it is.
    """
    search, task, where = experiment.search, experiment.task, experiment.origin.where
    if search.evaluate == "fold":
        return
    told = {"where": where("search.evaluate"), "remedy": "remove it"}
    if task.name == "Custom" and task.files is None:
        must = "a program of yours has no folds that RayGen knows of"
        raise ConfigError("folds given for Custom", must=must, **told)
    if search.scheduler != "fifo":
        raise ConfigError(
            f"folds given, and scheduler {search.scheduler}",
            where=where("search.evaluate"),
            must="a scheduler ends trials by their scores after equal epochs, and here a trial has "
            "a score after each fold",
            remedy="write `scheduler: fifo`, or remove it",
        )
    if search.total_epochs is not None:
        must = "a trial has no score after an epoch, so epochs are not counted"
        raise ConfigError("folds given, and total_epochs", must=must, **told)


def _check_ensemble(experiment: Experiment) -> None:
    """Refuse fold models whose predictions have no mean, or whose program nobody could write.

    Raises:
        ConfigError: So it is.
    """
    task, where = experiment.task, experiment.origin.where("rank.ensemble")
    if experiment.rank.ensemble != "folds":
        return
    if task.name == "Custom":
        must = "RayGen joins only programs that it has written"
    elif experiment.model.pretrained and FINETUNING[task.name].targets != "class":
        must = f"what a model of {task.name} predicts has no mean"
    else:
        return
    raise ConfigError(
        f"folds given for {task.name}", where=where, must=must, remedy="remove it, or write none"
    )


def check_checkpoints(experiment: Experiment, *, can_resume: bool) -> None:
    """Refuse a scheduler that pauses or copies trials which cannot go on from a checkpoint.

    Raises:
        ConfigError: So it is.
    """
    row, name = SCHEDULERS[experiment.search.scheduler], experiment.search.scheduler
    if (row.pauses or row.mutates) and not can_resume:
        able = [other for other, its in SCHEDULERS.items() if not (its.pauses or its.mutates)]
        raise ConfigError(
            f"{name} given, and trials cannot go on from a checkpoint",
            where=experiment.origin.where("search.scheduler"),
            must="the objective must take `resume` and give `report` a function that saves, or the "
            "command must name {checkpoint}",
            remedy=f"or write one of {listed(able)}",
        )


def _check_algorithm(
    search: Search, space: Space, objectives: Sequence[Objective], where: Callable[[str], str]
) -> None:
    """Refuse a searcher that cannot represent the space, or several objectives."""
    name, row, key = search.algorithm, STRATEGIES[search.algorithm], where("search.algorithm")
    needs: dict[str, tuple[bool, Callable[[Row], bool]]] = {
        "parameters with conditions": (
            any(each.when for each in space.parameters),
            lambda row: row.conditions,
        ),
        "parameters that are choices": (
            any(_is_real_choice(each.domain) for each in space.parameters),
            lambda row: row.choices,
        ),
        "several metrics": (len(objectives) > 1, lambda row: row.objectives),
    }
    wanted = [can for is_there, can in needs.values() if is_there]
    for what, (is_there, can) in needs.items():
        if is_there and not can(row):
            able = [other for other, its in STRATEGIES.items() if all(each(its) for each in wanted)]
            raise ConfigError(
                f"{name} given, and there are {what}",
                where=key,
                must=f"it must be one that can search them: {listed(able)}",
            )
    if search.acquisition is not None and search.acquisition not in row.acquisitions:
        have = [other for other, its in STRATEGIES.items() if its.acquisitions]
        raise ConfigError(
            f"{search.acquisition!r} given for {name}",
            where=where("search.acquisition"),
            must=f"it must be one of {listed(row.acquisitions)}"
            if row.acquisitions
            else f"only {listed(have)} have acquisitions",
            remedy=did_you_mean(search.acquisition, row.acquisitions)
            or ("" if row.acquisitions else "remove it"),
        )
    _check_installed(name, row, key)


def _is_real_choice(domain: object) -> bool:
    """Whether it has several options without an order; a fixed value is none."""
    return isinstance(domain, Choice) and domain.size > 1


def _check_installed(name: str, row: Row, key: str) -> None:
    missing = [module for module in row.needs if importlib.util.find_spec(module) is None]
    if missing:
        raise EnvironmentProblem(
            f"{name} needs the package {missing[0]}",
            where=key,
            remedy=f"type pip install {row.package or missing[0]}",
        )


def _check_scheduler(experiment: Experiment, space: Space, objectives: Sequence[Objective]) -> None:
    """Refuse a scheduler that could not decide anything, or not fairly."""
    search, where = experiment.search, experiment.origin.where
    name, row, key = search.scheduler, SCHEDULERS[search.scheduler], where("search.scheduler")
    able = [other for other, its in SCHEDULERS.items() if its.objectives]
    if len(objectives) > 1 and not row.objectives:
        must = f"it must be one that compares several: {listed(able)}"
        raise ConfigError(f"{name} given, and there are several metrics", where=key, must=must)
    # with too few epochs asha has no rung and is fifo, which is what a short test run wants
    if search.max_epochs < row.least_epochs and name != "asha":
        raise ConfigError(
            f"{name} given, and search.max_epochs is {search.max_epochs}",
            where=key,
            must=f"it decides on nothing below {row.least_epochs} epochs",
            remedy="raise search.max_epochs, or write fifo",
        )
    if not row.mutates:
        return
    if not mutable_parameters(space):
        raise ConfigError(
            f"{name} given",
            where=key,
            must="the space must have parameters that may change while a trial trains: "
            f"{_changeable(experiment)}",
            remedy="for example `learning_rate: {float: [1.0e-4, 1.0e-1], log: true}`",
        )
    if search.trials is None or search.repeats > 1:
        problem = "search.trials: null" if search.trials is None else "search.repeats above 1"
        raise ConfigError(
            f"{name} and {problem} given",
            where=key,
            must="its trials are one population that learns from itself",
            remedy="give search.trials, the size of the population, and no repeats",
        )


def _changeable(experiment: Experiment) -> str:
    """What may be set anew at an epoch, in words."""
    if experiment.model.pretrained is None:
        return f"{listed(SCHEDULED)}, and none that a layer uses"
    unused = FINETUNING[experiment.task.name].unused
    known = [name for name in SCHEDULED if name in FINETUNE_SETTINGS and name not in unused]
    return f"{listed(known)}, and none that the method uses"


def _check_budget(search: Search, space: Space, where: Callable[[str], str]) -> None:
    """Refuse a search that would never end."""
    limits = (search.trials, search.total_epochs, search.time_budget)
    ends = search.algorithm == "grid" or space.size() is not None
    if all(each is None for each in limits) and not ends:
        raise ConfigError(
            "null given, and nothing else limits the search",
            where=where("search.trials"),
            must="one of search.trials, search.total_epochs and search.time_budget must be given",
        )


def fixed_words(search: Search) -> Mapping[str, Any]:
    """What of a search must not change when a run goes on: it decides what is asked next."""
    return {
        key: getattr(search, key)
        for key in ("algorithm", "acquisition", "scheduler", "constraints", "repeats", "start_from")
    }
