"""Which kinds of tasks are there: from where come their metrics, their space and their programs?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from raygen.config.rank_section import Rank
from raygen.config.schema import Experiment
from raygen.config.space import Space
from raygen.config.spaces import space_of
from raygen.config.task_section import Task
from raygen.config.words import listed
from raygen.data.inspect import inspect
from raygen.data.spec import Deal, Split
from raygen.errors import ConfigError
from raygen.finetune.blueprint import PretrainedBlueprint
from raygen.finetune.images import inspect_images
from raygen.finetune.inspect import inspect_finetuning
from raygen.finetune.ladder import with_room
from raygen.finetune.memory import place_of
from raygen.finetune.space import DEFAULT_METHOD, finetuning_space, reserved_tokens
from raygen.finetune.tasks import FINETUNING, finetuning_objectives, finetuning_task
from raygen.source.blueprint import AnyBlueprint
from raygen.source.custom import CustomBlueprint
from raygen.source.files import FilesBlueprint
from raygen.source.program import Program, read_programs
from raygen.source.render import Blueprint
from raygen.source.user_command import read_command
from raygen.source.user_function import read_function
from raygen.tasks.custom import custom_objectives
from raygen.tasks.task import TASKS, Objective, objectives_of


@dataclass(frozen=True)
class Kind:
    """What must be done of an experiment with a kind of task before it can be planned."""

    objectives: Callable[[Experiment], tuple[Objective, ...]]
    space: Callable[[Experiment], Space]
    blueprint: Callable[[Experiment, tuple[Objective, ...], Space], tuple[AnyBlueprint, Task]]
    """Gives the task too, with all that was found out about it."""


def kind_of(experiment: Experiment) -> Kind:
    """How an experiment is begun."""
    if experiment.model.pretrained is not None:
        return _PRETRAINED
    if experiment.task.files is not None:
        return _FILES
    return _CUSTOM if experiment.task.name == "Custom" else _NETWORK


def plain(words: Sequence[str]) -> str | tuple[str, ...]:
    """As the YAML has it: a word, or a list of several."""
    return tuple(words) if len(words) > 1 else words[0]


def deal_of(rank: Rank) -> Deal:
    """How the rows are to be dealt into folds."""
    return Deal(
        split="function" if rank.function else cast(Split, rank.split),
        by=rank.by,
        repeats=rank.repeats,
        window=rank.window,
        gap=rank.gap,
        function=rank.function,
    )


def with_split_found(experiment: Experiment) -> Experiment:
    """The same with the path of a function that deals the rows as it is from here.

    It is looked for here, then beside the config, as a ``folder`` is.
    """
    file, _, name = experiment.rank.function.rpartition(":")
    beside = Path(experiment.origin.file).parent / file
    if not file or Path(file).is_file() or not beside.is_file():
        return experiment
    rank = experiment.rank.model_copy(update={"split": f"{beside}:{name}"})
    return experiment.model_copy(update={"rank": rank})


def _of_data(experiment: Experiment) -> tuple[Objective, ...]:
    metrics, where = experiment.task.metrics, experiment.origin.where("task.metric")
    return objectives_of(experiment.task.name, metrics, where=where)


def _space_of_data(experiment: Experiment) -> Space:
    return space_of(experiment, default=TASKS[experiment.task.name].space)


def _network(
    experiment: Experiment, objectives: tuple[Objective, ...], space: Space
) -> tuple[AnyBlueprint, Task]:
    """Inspect the data set that networks are to learn from."""
    task, dataset = TASKS[experiment.task.name], experiment.task.rows
    if dataset.streamed:
        raise ConfigError(
            "streamed given, and no model.pretrained",
            where=experiment.origin.where("task.dataset.streamed"),
            must="a network that is built here learns from data that fits into memory",
            remedy="remove it, or name a model.pretrained",
        )
    spec = inspect(
        dataset,
        modality=task.modality,
        regression=task.predicts == "values",
        folds=experiment.rank.folds,
        origin=experiment.origin,
        deal=deal_of(experiment.rank),
    )
    if "MAX_LENGTH" in spec.constants:
        dataset = dataset.model_copy(update={"max_length": spec.constants["MAX_LENGTH"]})
    blueprint = Blueprint(
        name=experiment.name,
        framework=experiment.framework,
        task_name=experiment.task.name,
        task=task,
        objectives=objectives,
        spec=spec,
        space=space,
        seed=experiment.seed,
        folds=experiment.rank.folds,
        repeats=experiment.rank.repeats,
        epochs=experiment.search.max_epochs,
        threads=experiment.resources.cpus,
    )
    return blueprint, experiment.task.model_copy(update={"dataset": dataset})


def _custom_objectives(experiment: Experiment) -> tuple[Objective, ...]:
    task = experiment.task
    return custom_objectives(task.metrics, task.modes, where=experiment.origin.where)


def _custom(
    experiment: Experiment, objectives: tuple[Objective, ...], space: Space
) -> tuple[AnyBlueprint, Task]:
    """Look at the text of the user's own program."""
    task, where, folder = experiment.task, experiment.origin.where, _folder_of(experiment)
    program = (
        read_function(task.objective, folder, where=where("task.objective"))
        if task.objective is not None
        else read_command(task.command or "", space, where=where("task.command"))
    )
    blueprint = CustomBlueprint(
        name=experiment.name,
        objectives=objectives,
        space=space,
        seed=experiment.seed,
        epochs=experiment.search.max_epochs,
        folder=folder.resolve(),
        program=program,
    )
    modes = plain([each.mode for each in objectives])
    return blueprint, task.model_copy(update={"folder": str(folder), "mode": modes})


def _files_objectives(experiment: Experiment) -> tuple[Objective, ...]:
    """The metric of the files."""
    task, where = experiment.task, experiment.origin.where
    [metric, *_] = {each.constants["METRIC"] for each in _programs(experiment)}
    if task.metrics and task.metrics != (metric,):
        raise ConfigError(
            f"{plain(task.metrics)!r} given",
            where=where("task.metric"),
            must=f"the METRIC of the files is {metric}",
            remedy="remove it",
        )
    return custom_objectives((metric,), task.modes, where=where)


def _files(
    experiment: Experiment, objectives: tuple[Objective, ...], space: Space
) -> tuple[AnyBlueprint, Task]:
    """Look at the text of files that are compared as they are."""
    programs, rank = _programs(experiment), experiment.rank
    longest = max(programs, key=lambda each: int(each.constants["EPOCHS"]))
    if experiment.search.max_epochs < longest.constants["EPOCHS"]:
        raise ConfigError(
            f"{experiment.search.max_epochs} given",
            where=experiment.origin.where("search.max_epochs"),
            must=f"EPOCHS of {longest.file} is {longest.constants['EPOCHS']}",
            remedy=f"set search.max_epochs: {longest.constants['EPOCHS']}",
        )
    blueprint = FilesBlueprint(
        name=experiment.name,
        objectives=objectives,
        space=space,
        seed=experiment.seed,
        epochs=experiment.search.max_epochs,
        folds=rank.folds,
        repeats=rank.repeats,
        programs=programs,
    )
    modes = plain([each.mode for each in objectives])
    folder = str(_folder_of(experiment))
    return blueprint, experiment.task.model_copy(update={"folder": folder, "mode": modes})


def _programs(experiment: Experiment) -> tuple[Program, ...]:
    return read_programs(experiment.task.files or (), _folder_of(experiment))


def _folder_of(experiment: Experiment) -> Path:
    """Where the user's files lie: a relative folder is looked for here, then beside the config."""
    beside = Path(experiment.origin.file).parent
    folder = Path(experiment.task.folder or beside)
    if experiment.task.folder is not None and not folder.is_dir():
        folder = beside / folder
    if not folder.is_dir():
        where, must = experiment.origin.where("task.folder"), "there must be such a folder"
        raise ConfigError(f"{experiment.task.folder!r} given", where=where, must=must)
    return folder


def _pretrained_objectives(experiment: Experiment) -> tuple[Objective, ...]:
    name, origin = experiment.task.name, experiment.origin
    if name not in FINETUNING:
        raise ConfigError(
            f"pretrained given for {name}",
            where=origin.where("model.pretrained"),
            must=f"only {listed(FINETUNING)} have pretrained models",
        )
    return finetuning_objectives(name, experiment.task.metrics, where=origin.where("task.metric"))


def _pretrained(
    experiment: Experiment, objectives: tuple[Objective, ...], space: Space
) -> tuple[AnyBlueprint, Task]:
    """Look at the pretrained model, the data set, and whether they fit each other."""
    task = finetuning_task(experiment)
    reserved = reserved_tokens(space)
    look = inspect_images if task.kind == "images" else inspect_finetuning
    deal = deal_of(experiment.rank)
    spec = look(experiment, task, reserved=reserved, deal=deal)
    blueprint = PretrainedBlueprint(
        name=experiment.name,
        task_name=experiment.task.name,
        task=task,
        method_name=experiment.model.method or DEFAULT_METHOD,
        objectives=objectives,
        spec=spec,
        space=space,
        seed=experiment.seed,
        folds=experiment.rank.folds,
        epochs=experiment.search.max_epochs,
        threads=experiment.resources.cpus,
        deal=deal,
        strategy="fsdp" if experiment.resources.strategy == "fsdp" else "ddp",
        place=place_of(experiment.resources, experiment.origin),
    )
    if not {"micro_batch"} & {*experiment.model.training, *experiment.model.parameters}:
        blueprint = with_room(blueprint)
    kept = {"max_length": spec.constants.get("MAX_LENGTH")}
    dataset = experiment.task.rows.model_copy(update=kept)
    return blueprint, experiment.task.model_copy(update={"dataset": dataset})


_NETWORK = Kind(_of_data, _space_of_data, _network)
_CUSTOM = Kind(_custom_objectives, partial(space_of, default=""), _custom)
_FILES = Kind(_files_objectives, partial(space_of, default=""), _files)
_PRETRAINED = Kind(_pretrained_objectives, finetuning_space, _pretrained)
