"""Everything that can be known and checked of a run before anything is trained."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raygen.config.load import load_experiment, override_experiment
from raygen.config.origin import Origin
from raygen.config.schema import Experiment
from raygen.config.space import Space
from raygen.errors import ConfigError, EnvironmentProblem, RunError
from raygen.finetune.space import DEFAULT_METHOD
from raygen.kinds import kind_of, plain, with_split_found
from raygen.machine import check_resources, count_cpus
from raygen.runs.paths import RunPaths
from raygen.search.compatibility import check_checkpoints, check_search, fixed_words
from raygen.search.strategies.auto import choose_algorithm
from raygen.search.strategies.strategy import Terms
from raygen.source.blueprint import AnyBlueprint
from raygen.source.candidate import is_foreign
from raygen.source.files import config_of
from raygen.source.program import read_programs
from raygen.uris import is_uri

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run that can begin."""

    experiment: Experiment
    blueprint: AnyBlueprint
    paths: RunPaths
    outer_fold: int | None = None
    """Of a nested cross-validation, the fold whose rows take the place of the test rows."""

    def load_arrays(self) -> dict[str, np.ndarray]:
        """The rows that the run trains on, and those that its winner is scored on."""
        arrays = self.blueprint.load_arrays()
        if self.outer_fold is None:
            return arrays
        blueprint: Any = self.blueprint  # of a data set, as the config was asked for
        train, held_out = blueprint.split(arrays["y"], self.outer_fold)
        x, y = arrays["x"], arrays["y"]
        return {"x": x[train], "y": y[train], "x_test": x[held_out], "y_test": y[held_out]}

    def outer(self, fold: int) -> Plan:
        """The plan of a run that sees nothing of a fold, but scores its winner there."""
        paths = RunPaths(self.paths.nested / str(fold))
        rank = self.experiment.rank.model_copy(update={"ensemble": "none"})
        experiment = self.experiment.model_copy(update={"rank": rank})
        return replace(self, experiment=experiment, paths=paths, outer_fold=fold)

    @property
    def storage(self) -> str | None:
        """Folder of what the run's folder is copied to; an outer fold's lies as its folder does."""
        whole = self.experiment.storage
        if whole is None or self.outer_fold is None:
            return whole
        run, nested = self.paths.folder.parents[1], self.paths.folder.parent
        return f"{whole.rstrip('/')}/{run.name}/{nested.name}"

    @property
    def space_sha(self) -> str:
        """Fingerprint of the space: what a run began with must not change under it."""
        space = self.blueprint.space
        text = repr((space.layers, sorted(space.training.items()), space.parameters))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def space(self) -> Space:
        """The search space."""
        return self.blueprint.space

    def algorithm_told(self) -> str:
        """What ``auto`` will choose on this machine, and why; empty if the config chooses."""
        search, concurrent = self.experiment.search, self.experiment.resources.concurrent
        if search.algorithm != "auto":
            return ""
        resources = self.experiment.resources
        fitting = max(count_cpus() // (resources.cpus * resources.workers[0]), 1)
        terms = Terms(
            space=self.space,
            objectives=len(self.blueprint.objectives),
            max_epochs=search.max_epochs,
            trials=search.trials,
            workers=fitting if concurrent == "auto" else concurrent,
        )
        name, reason = choose_algorithm(terms)
        return f"searched by {name}: {reason}"


@dataclass(frozen=True, kw_only=True)
class Outline:
    """What can be known of a run whose data lies on another machine."""

    experiment: Experiment
    space: Space
    paths: RunPaths


def outline_run(
    config: str | Path,
    overrides: Sequence[str] = (),
    *,
    output: str | None = None,
    run_dir: str | None = None,
) -> Outline:
    """Read a config and check what can be without its data, for a machine that has it.

    Raises:
        RaygenError: Something cannot be.
    """
    experiment = load_experiment(config, overrides)
    kind = kind_of(experiment)
    objectives, space = kind.objectives(experiment), kind.space(experiment)
    check_resources(experiment, here=False)
    check_search(experiment, space, objectives)
    completed = experiment.model_copy(update={"output": output or experiment.output})
    _check_output(completed, "--output" if output else experiment.origin.where("output"))
    paths = RunPaths(Path(run_dir) if run_dir else Path("runs") / experiment.name)
    return Outline(experiment=completed, space=space, paths=paths)


def data_elsewhere(experiment: Experiment) -> str:
    """The URI of a data set, or the full path of one that is not on this machine; else empty."""
    path = getattr(experiment.task.dataset, "path", None) or ""
    away = is_uri(path) or (Path(path).is_absolute() and not Path(path).exists())
    return path if away else ""


def plan_run(
    config: str | Path,
    overrides: Sequence[str] = (),
    *,
    output: str | None = None,
    run_dir: str | None = None,
    emits: bool = True,
    here: bool = True,
) -> Plan:
    """Read a config and check all of it that needs no training; nothing is written.

    Args:
        config: Path of the YAML.
        overrides: ``key.path=value`` pairs, as of ``--set``.
        output: Takes the place of the YAML's ``output``.
        run_dir: Takes the place of ``runs/<name>``.
        emits: Whether the run will write the output, which is then checked too.
        here: Whether this machine will train, and must have room for it.

    Raises:
        RaygenError: Something cannot be; the message says where, what must hold and what to type.
    """
    experiment = load_experiment(config, overrides)
    return _plan(experiment, output=output, run_dir=run_dir, emits=emits, here=here)


def plan_files(
    files: Sequence[str], overrides: Sequence[str] = (), *, run_dir: str | None = None
) -> Plan:
    """Plan a run that ranks programs which are there already.

    Args:
        files: Paths of ``model.py`` files.
        overrides: ``key.path=value`` pairs, as of ``--set``.
        run_dir: Takes the place of ``runs/ranked``.

    Raises:
        RaygenError: They cannot be compared; the message says why.
    """
    values = config_of(read_programs(files, Path()))
    experiment = override_experiment(values, overrides, origin=Origin("raygen rank"))
    return _plan(experiment, output=None, run_dir=run_dir, emits=False, here=True)


def _plan(
    experiment: Experiment, *, output: str | None, run_dir: str | None, emits: bool, here: bool
) -> Plan:
    experiment = with_split_found(experiment)
    kind = kind_of(experiment)
    objectives, space = kind.objectives(experiment), kind.space(experiment)
    check_resources(experiment, here=here)
    check_search(experiment, space, objectives)
    _check_rope(experiment, objectives[0].name)
    blueprint, task = kind.blueprint(experiment, objectives, space)
    check_checkpoints(experiment, can_resume=blueprint.can_resume)
    blueprint.check()
    by_name = experiment.model.layers is None and space.layers
    if experiment.model.pretrained is not None:
        named = {"method": experiment.model.method or DEFAULT_METHOD}
    else:
        named = {"space": _name_of(space)} if by_name or experiment.model.space else {}
    completed = experiment.model_copy(
        update={
            "task": task.model_copy(update={"metric": plain([e.name for e in objectives])}),
            "model": experiment.model.model_copy(update=named),
            "output": output or experiment.output,
        }
    ).written_in(experiment.origin)
    if emits:
        where = "--output" if output else experiment.origin.where("output")
        _check_output(completed, where)
    paths = RunPaths(Path(run_dir) if run_dir else Path("runs") / experiment.name)
    return Plan(experiment=completed, blueprint=blueprint, paths=paths)


def _check_rope(experiment: Experiment, metric: str) -> None:
    """Refuse a difference that no two scores can have: all would be the same in practice.

    Raises:
        ConfigError: It is one.
    """
    rope = experiment.rank.rope
    if rope is None or rope < 1 or experiment.task.objective or experiment.task.command:
        return  # who scores by a program of their own may count in per cent
    from raygen.rank.folds import BOUNDS  # scipy

    lowest, highest = BOUNDS.get(metric, (0.0, float("inf")))
    if rope >= highest - lowest:
        raise ConfigError(
            f"{rope:g} given",
            where=experiment.origin.where("rank.rope"),
            must=f"{metric} lies between {lowest:g} and {highest:g}, so no difference is as large",
            remedy="a hundredth is rope: 0.01",
        )


def _name_of(space: Space) -> str:
    """What names the space from here: a shipped name, or the path of its file."""
    return space.origin.file if space.name.endswith((".yaml", ".yml")) else space.name


def check_framework(plan: Plan) -> None:
    """Refuse to run without the framework that the programs are written for.

    Raises:
        EnvironmentProblem: It is not installed on this machine.
    """
    for package in plan.blueprint.packages:
        if importlib.util.find_spec(package) is None:
            raise EnvironmentProblem(
                f"{package} is not installed",
                where=plan.experiment.origin.where("framework"),
                remedy=f"type pip install 'raygen[{plan.experiment.framework}]'",
            )


def check_parameters(plan: Plan, *, searches: bool) -> None:
    """Refuse to search where nothing is open, and to train once where something is.

    Raises:
        ConfigError: So it is.
    """
    where, config = plan.experiment.origin.where, plan.experiment.origin.file
    if searches and not plan.space.parameters and plan.experiment.model.pretrained is not None:
        raise ConfigError(
            "no open parameters",
            where=where("model.parameters"),
            must="a search must have something to search",
            remedy=f"type raygen finetune {config}",
        )
    if searches:
        return
    if plan.experiment.task.name == "Custom":
        raise ConfigError(
            "a Custom task given",
            where=where("task.name"),
            must="a program of yours has no test rows to be scored on",
            remedy=f"type raygen search --config {config}",
        )
    if plan.space.parameters:
        raise ConfigError(
            "open parameters given" if plan.experiment.model.parameters else "missing",
            where=where("model.parameters" if plan.experiment.model.parameters else "model.layers"),
            must="one training needs a model without open parameters",
            remedy=f"type raygen generate --config {config}",
        )


def _check_output(experiment: Experiment, where: str) -> None:
    """Refuse an output that could not be written in the end.

    Raises:
        RunError: It is a folder, or its folder is missing or closed to us.
    """
    output, folder = Path(experiment.output), Path(experiment.output).parent
    if output.is_dir():
        raise RunError(f"{output} is a folder", where=where, must="it must be a file to write")
    if not folder.is_dir():
        raise RunError(
            f"there is no folder {folder}", where=where, remedy=f"type mkdir -p {folder}"
        )
    try:
        if output.exists() and not os.access(output, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        tempfile.TemporaryFile(dir=folder).close()  # leaves nothing; asks more than os.access
    except OSError as error:
        raise RunError(
            f"{output} cannot be written: {error.strerror}",
            where=where,
            must="the winner is written there",
            remedy="type --output OTHER.py",
        ) from None
    if is_foreign(output):
        raise RunError(
            f"{output} is there already, and was not written by RayGen",
            where=where,
            must="a file that somebody else wrote is not overwritten",
            remedy="type --output OTHER.py",
        )


def same_but_budget(one: Experiment, other: Experiment) -> str:
    """The first key in which two experiments differ, budgets and resources aside; else empty."""
    for key in ("seed", "framework", "task", "model"):
        if getattr(one, key) != getattr(other, key):
            return key
    if one.search.max_epochs != other.search.max_epochs:
        return "search.max_epochs"
    if one.search.evaluate != other.search.evaluate:
        return "search.evaluate"
    fixed, others = fixed_words(one.search), fixed_words(other.search)
    for key, value in fixed.items():
        if value != others[key]:
            return f"search.{key}"
    for key in ("folds", "repeats", "split", "by", "window", "gap"):  # the program has them
        if getattr(one.rank, key) != getattr(other.rank, key):
            return f"rank.{key}"
    if one.resources.cpus != other.resources.cpus:  # the program has it
        return f"resources.cpus_per_{'worker' if one.resources.grouped else 'trial'}"
    return ""
