"""Search, rank, emit: the one module that knows the order of the steps."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raygen.config.load import dump_experiment
from raygen.errors import Interrupted
from raygen.outcome import draw, emit, emit_ensemble, read_leaderboard, write_leaderboard
from raygen.plan import Plan, check_framework, check_parameters, plan_run
from raygen.run_folder import begin_run, open_run
from raygen.runs.journal import Journal
from raygen.runs.mirror import mirror_of
from raygen.runs.paths import RunPaths
from raygen.runs.records import History
from raygen.search.budget import expected_trials

if TYPE_CHECKING:
    from raygen.execute.room import Room
    from raygen.execute.run import Run
    from raygen.execute.session import Interruption
    from raygen.report.screen import Screen


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run came to."""

    run_dir: Path
    output: Path | None
    """The written model.py; None before the last step."""
    leaderboard: dict[str, Any]
    """As in ``leaderboard.json``."""


def generate(
    config: str | Path,
    overrides: Sequence[str] = (),
    *,
    output: str | None = None,
    run_dir: str | None = None,
) -> Result:
    """Search, rank by cross-validation, and write the winner's model.py.

    The same call goes on where an earlier one was interrupted, and repeats nothing.

    Args:
        config: Path of the YAML.
        overrides: ``key.path=value`` pairs that take the place of what stands there.
        output: File for the winner; by default what the YAML says.
        run_dir: Folder of the run; by default ``runs/<name>``.

    Returns:
        The leaderboard and where everything lies.

    Raises:
        RaygenError: Something cannot be done; nothing is half-written.
        Interrupted: Ctrl-C or SIGTERM; what was done is kept.
    """
    return run_steps(plan_run(config, overrides, output=output, run_dir=run_dir), upto="emit")


def finetune(
    config: str | Path,
    overrides: Sequence[str] = (),
    *,
    output: str | None = None,
    run_dir: str | None = None,
) -> Result:
    """Train a model on all training rows, score it once, and write its model.py.

    Args:
        config: Path of a YAML without open parameters: ``model.pretrained``, or ``model.layers``.
        overrides: ``key.path=value`` pairs that take the place of what stands there.
        output: File for the program; by default what the YAML says.
        run_dir: Folder of the run; by default ``runs/<name>``.

    Returns:
        The test scores and where everything lies.

    Raises:
        RaygenError: Something cannot be done; nothing is half-written.
        Interrupted: Ctrl-C or SIGTERM; what was done is kept.
    """
    return run_steps(plan_run(config, overrides, output=output, run_dir=run_dir), upto="fit")


def run_steps(plan: Plan, *, upto: str) -> Result:
    """Run the steps ``search``, ``rank`` and ``emit`` as far as asked for, or only ``fit``.

    ``rank`` alone does not search, but for files that are compared: their fold 0 is what a search
    would have trained.

    Raises:
        ConfigError: There is nothing to search, or something to search and only a fit wanted.
        Interrupted: Ctrl-C or SIGTERM; what was done is kept.
    """
    from raygen.execute.disk import told_if_full

    check_framework(plan)
    check_parameters(plan, searches=upto != "fit")
    mirror, paths, output = mirror_of(plan.paths.folder, plan.storage), plan.paths, None
    with (
        told_if_full(paths.folder),
        open_run(plan, mirror.restore) as (journal, history),
    ):
        began = time.monotonic()
        with _screen(plan) as screen, mirror.copying(screen.say):
            board = _run(plan, journal, history, screen, upto)
            if upto in ("emit", "fit"):
                output = emit(paths, board, Path(plan.experiment.output))
            if upto in ("rank", "emit"):
                emit_ensemble(plan, board, screen.say)
            if upto == "emit":
                draw(paths)
        if plan.experiment.rank.nested and upto in ("rank", "emit"):
            took = max(time.monotonic() - began, history.search_seconds)
            with mirror.copying(_say):
                board["nested"] = _nested(plan, took)
                write_leaderboard(paths, board)
    return Result(run_dir=paths.folder, output=output, leaderboard=board)


def _run(
    plan: Plan, journal: Journal, history: History, screen: Screen, upto: str
) -> dict[str, Any]:
    """Do the steps on Ray; returns the leaderboard."""
    from raygen.execute.arrays import forget_arrays  # numpy
    from raygen.execute.disk import DiskGuard
    from raygen.execute.newcomers import Newcomers
    from raygen.execute.session import Interruption, session
    from raygen.execute.shared_folder import check_shared
    from raygen.launch.copy_target import check_copy_shared

    folder, resources = plan.paths.folder, plan.experiment.resources
    whole = folder if plan.outer_fold is None else folder.parents[1]
    with Interruption() as interruption, ThreadPoolExecutor(1) as thread:
        loading = [thread.submit(plan.load_arrays)]  # while Ray starts
        with (
            DiskGuard(whole, resources.disk_gb, interruption.ask),
            session(resources, interruption.listen) as room,
        ):
            seen = check_shared(folder.resolve())
            check_copy_shared(plan.experiment.storage)
            newcomers = Newcomers(folder.resolve(), screen.say, seen)
            if room.is_shared:
                room.watch(newcomers)
            run = _begin(plan, journal, history, loading, interruption, screen, room)
            try:
                board = _fit(run) if upto == "fit" else _search_and_rank(run, upto)
            finally:
                forget_arrays(run.worker.data_key)
                newcomers.close()
        run.forget_checkpoints()  # now that no child is left that could write another
        if interruption.problem is not None:
            raise interruption.problem
        if interruption:
            raise Interrupted(
                f"stopped; all that was done is kept in {folder}",
                remedy="the same command goes on from there",
            )
    return board


def _search_and_rank(run: Run, upto: str) -> dict[str, Any]:
    from raygen.rank.leaderboard import leaderboard_json
    from raygen.rank.ranking import Ranking, rank
    from raygen.rank.repeats import pareto_front

    if upto != "rank" or run.experiment.task.files is not None:  # who are their own search
        from raygen.search.run import search  # ray.tune: a second

        search(run)
    ranking = Ranking()
    if upto != "search" and not run.interruption:
        ranking = rank(run, fits=upto == "emit")
    entries = ranking.entries
    test = run.history.test
    scored = entries and test.get("trial_id") == entries[0].trial_id
    board = leaderboard_json(
        run.experiment.name,
        run.blueprint.metric,
        entries,
        test["metrics"] if scored else {},
        mode=run.blueprint.objectives[0].mode,
        front=pareto_front(run.history),
        ranking=ranking.told,
    )
    if entries and not run.interruption:
        write_leaderboard(run.paths, board)
    return board


def _nested(plan: Plan, took: float) -> dict[str, Any]:
    """Search and rank once more for each fold, without its rows, on which the winner is scored.

    Each is a run of its own, which goes on where it was interrupted.

    Args:
        plan: Of the whole run.
        took: Its time, in seconds; what takes as many epochs with fewer rows takes less.
    """
    from raygen.rank.nested import nested_json
    from raygen.report.texts import duration_text

    rank, title = plan.experiment.rank, plan.experiment.name
    about = duration_text(took * (rank.folds - 1))
    _say(f"nested: all of it again without each of {rank.folds} folds; that takes about {about}")
    boards = []
    for fold in range(rank.folds):
        outer = plan.outer(fold)
        text = dump_experiment(outer.experiment)
        if not (outer.paths.config.exists() and outer.paths.config.read_text("utf-8") == text):
            outer.paths.leaderboard.unlink(missing_ok=True)  # of other budgets or terms
        if not outer.paths.leaderboard.exists():
            named = f"{title}, outer fold {fold + 1} of {rank.folds}"
            mirror = mirror_of(outer.paths.folder, outer.storage)
            _say(named)
            with (
                open_run(outer, mirror.restore) as (journal, known),
                _screen(outer, named) as own,
                mirror.copying(own.say),
            ):
                _run(outer, journal, known, own, "emit")
        boards.append(read_leaderboard(outer.paths))
    return nested_json(boards, by_folds=plan.experiment.search.evaluate == "folds")


def _fit(run: Run) -> dict[str, Any]:
    """Train the only candidate on all training rows, and tell its scores as a board of one."""
    from raygen.execute.pool import Pool
    from raygen.rank.crossval import fit_candidate

    with Pool(run) as pool:
        trial = fit_candidate(run, pool)
    metrics = run.history.test.get("metrics", {})
    entry = {"rank": 1, "trial_id": trial.trial_id, "source_sha": trial.source_sha}
    entry["num_parameters"] = trial.num_parameters
    name, metric = run.experiment.name, run.blueprint.metric
    return {"name": name, "metric": metric, "entries": [entry], "test": metrics}


def _begin(
    plan: Plan,
    journal: Journal,
    history: History,
    loading: list[Future[Any]],
    interruption: Interruption,
    screen: Screen,
    room: Room,
) -> Run:
    """Share the data, begin the journal, and bundle what the steps have in common."""
    from raygen.execute.run import Group, Run, Worker

    resources, folder = plan.experiment.resources, plan.paths.folder.resolve()
    data = f"{plan.blueprint.data_sha} {plan.blueprint.data_text}"
    key = hashlib.sha256(f"{folder} {data}".encode()).hexdigest()[:16]
    arrays = _shared(plan, loading, key, interruption)
    begin_run(plan, journal, history)
    worker = Worker(
        data_key=key,
        preload=plan.blueprint.preload(),
        threads=resources.cpus,
        gpus=resources.gpus,
        group=Group(
            workers=resources.workers,
            cpus=resources.cpus,
            gpus=resources.gpus,
            framework=plan.experiment.framework,
            retries=plan.experiment.search.retries,
            arrays=arrays,
        )
        if resources.grouped
        else None,
        folder=str(folder) if room.is_shared else "",
    )
    return Run(
        experiment=plan.experiment,
        blueprint=plan.blueprint,
        paths=RunPaths(folder),
        journal=journal,
        history=history,
        arrays=arrays,
        worker=worker,
        places=room,
        interruption=interruption,
        show=screen.show,
        say=screen.say,
    )


def _shared(plan: Plan, loading: list[Future[Any]], key: str, interruption: Interruption) -> Any:
    """Put the data into Ray's object store; or have the nodes read it, where they can."""
    import ray

    from raygen.execute.arrays import share_arrays
    from raygen.execute.reading import Reading, read_on_nodes, state_of

    arrays = loading.pop().result()  # popped, or the driver would keep a copy
    function = plan.blueprint.reads_by
    if not function or plan.outer_fold is not None:
        return ray.put(arrays)
    share_arrays(arrays, key)
    text = plan.blueprint.data_text
    reading = Reading(text=text, function=function, state=state_of(arrays))
    read_on_nodes(partial(share_arrays, reading, key), lambda: not interruption)
    return reading


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _screen(plan: Plan, title: str = "") -> Screen:
    from raygen.report.screen import Screen

    experiment = plan.experiment
    return Screen(
        title=title or experiment.name,
        metric=plan.blueprint.metric,
        trials=expected_trials(experiment.search, plan.space),
        max_epochs=experiment.search.max_epochs
        if experiment.search.evaluate == "fold"
        else experiment.rank.scores,
        folds=experiment.rank.scores if plan.blueprint.folds else 0,
        top=experiment.rank.top,
        races=experiment.rank.method == "race",
        time_budget_s=experiment.search.time_budget,
    )
