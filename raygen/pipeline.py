"""Search, rank, emit: the one module that knows the order of the steps."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from raygen.config.load import dump_experiment, load_experiment
from raygen.data.loaders import load_arrays, loader_fragments
from raygen.errors import Interrupted, RunError
from raygen.plan import Plan, check_framework, plan_run, same_but_budget
from raygen.runs.journal import Journal, read_events
from raygen.runs.paths import RunPaths
from raygen.runs.records import History


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


def run_steps(plan: Plan, *, upto: str) -> Result:
    """Run the steps ``search``, ``rank`` and ``emit`` as far as asked for.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; what was done is kept.
    """
    from raygen.execute.session import Interruption, session  # ray: only when something is run

    check_framework(plan.experiment)
    resources = plan.experiment.resources
    with (
        _open_run(plan) as (journal, history),
        Interruption() as interruption,
        _screen(plan) as screen,
        ThreadPoolExecutor(1) as thread,
    ):
        arrays = thread.submit(load_arrays, plan.spec)  # while Ray starts
        with session(resources.cpus_per_trial, resources.gpus_per_trial) as room:
            interruption.listen()
            run = _begin(plan, journal, history, arrays.result(), interruption, screen.show, room)
            board = _search_and_rank(run, upto)
        if interruption:
            raise Interrupted(
                f"stopped; all that was done is kept in {plan.paths.folder}",
                remedy="the same command goes on from there",
            )
    if upto != "emit":
        return Result(run_dir=plan.paths.folder, output=None, leaderboard=board)
    output = emit(plan.paths, board, Path(plan.experiment.output))
    draw(plan.paths)
    return Result(run_dir=plan.paths.folder, output=output, leaderboard=board)


def _search_and_rank(run: Any, upto: str) -> dict[str, Any]:
    from raygen.execute.pool import Pool
    from raygen.rank.crossval import crossvalidate, fit_winner  # ray
    from raygen.rank.leaderboard import leaderboard_json
    from raygen.search.run import search

    search(run)
    entries = []
    if upto != "search" and not run.interruption:
        with Pool(run) as pool:
            entries = crossvalidate(run, pool)
            if entries and upto == "emit":
                fit_winner(run, pool, entries[0])
    test = run.history.test
    scored = entries and test.get("trial_id") == entries[0].trial_id
    board = leaderboard_json(
        run.experiment.name, run.blueprint.metric, entries, test["metrics"] if scored else {}
    )
    if entries and not run.interruption:
        _write(run.paths.leaderboard, json.dumps(board, indent=2, ensure_ascii=False).encode())
    return board


def emit(paths: RunPaths, board: dict[str, Any], output: Path) -> Path:
    """Copy the winner's model.py, byte for byte, to ``best/`` and to the output.

    Raises:
        RunError: The file is not the one that was trained.
    """
    winner = board["entries"][0]
    text = paths.trial(winner["trial_id"]).model.read_bytes()
    if hashlib.sha256(text).hexdigest() != winner["source_sha"]:
        raise RunError(
            "it was changed after it was trained",
            where=str(paths.trial(winner["trial_id"]).model),
            must="its sha256 must be the one in the journal",
            remedy="begin a new run with --run-dir",
        )
    _write(paths.best / "model.py", text)
    _write(output, text)
    return output


def draw(paths: RunPaths) -> Path:
    """Draw the run's picture from its journal and leaderboard."""
    from raygen.report.picture import draw_run  # matplotlib: half a second

    board = read_leaderboard(paths)
    draw_run(History.read(paths.journal), board, paths.picture)
    return paths.picture


def read_leaderboard(paths: RunPaths) -> dict[str, Any]:
    """The leaderboard of a run.

    Raises:
        RunError: There is no such run, or it is not ranked yet.
    """
    if not paths.leaderboard.exists():
        known = paths.journal.exists()
        raise RunError(
            "it is not ranked yet" if known else "there is no run",
            where=str(paths.folder),
            remedy=f"type raygen rank {paths.folder}" if known else "type ls runs",
        )
    board: dict[str, Any] = json.loads(paths.leaderboard.read_text(encoding="utf-8"))
    return board


@contextmanager
def _open_run(plan: Plan) -> Iterator[tuple[Journal, History]]:
    """Lock the run's folder, check that it is this experiment's, and open its journal.

    Raises:
        RunError: Another process works on it, or it holds another experiment.
    """
    paths = plan.paths
    try:
        paths.folder.mkdir(parents=True, exist_ok=True)
        lock = paths.lock.open("w")
    except OSError as error:
        raise RunError(
            f"cannot be written: {error.strerror}",
            where=str(paths.folder),
            remedy="type --run-dir OTHER",
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(
                "another process works on this run",
                where=str(paths.folder),
                remedy="wait for it, or type --run-dir OTHER",
            ) from None
        _check_same(plan)
        _write(paths.config, dump_experiment(plan.experiment).encode())
        journal = Journal(paths.journal)
        history = History().after(read_events(paths.journal))
        if not history.metric:
            event = journal.append("begin", metric=plan.blueprint.metric, data_sha=plan.spec.sha)
            history.take(event)
        try:
            yield journal, history
        finally:
            journal.close()


def _check_same(plan: Plan) -> None:
    paths = plan.paths
    if not paths.config.exists():
        return
    before = load_experiment(paths.config)
    differs = same_but_budget(before, plan.experiment)
    begun = [e for e in read_events(paths.journal) if e["event"] == "begin"]
    if not differs and begun and begun[0]["data_sha"] != plan.spec.sha:
        differs = "the content of task.dataset"
    if differs:
        raise RunError(
            f"it holds a run with another {differs}",
            where=str(paths.folder),
            must="a run goes on with the config it began with",
            remedy="type --run-dir OTHER, or give the config another name",
        )


def _begin(
    plan: Plan,
    journal: Journal,
    history: History,
    arrays: Mapping[str, Any],
    interruption: Any,
    show: Any,
    room: int,
) -> Any:
    """Put the data into Ray's object store and bundle what the steps share."""
    import ray

    from raygen.execute.run import Run, Worker

    concurrent = plan.experiment.resources.concurrent
    loader = " ".join(loader_fragments(plan.spec)) + repr(sorted(plan.spec.constants.items()))
    key = hashlib.sha256(f"{plan.spec.sha} {loader}".encode()).hexdigest()[:16]
    worker = Worker(key, plan.blueprint.preload(), plan.experiment.resources.cpus_per_trial)
    return Run(
        experiment=plan.experiment,
        blueprint=plan.blueprint,
        paths=replace(plan.paths, folder=plan.paths.folder.resolve()),
        journal=journal,
        history=history,
        arrays=ray.put(arrays),
        worker=worker,
        room=room if concurrent == "auto" else min(room, concurrent),
        interruption=interruption,
        show=show,
    )


def _screen(plan: Plan) -> Any:
    from raygen.report.screen import Screen

    experiment = plan.experiment
    return Screen(
        title=experiment.name,
        metric=plan.blueprint.metric,
        trials=experiment.search.trials,
        max_epochs=experiment.search.max_epochs,
        folds=experiment.rank.folds,
        top=experiment.rank.top,
        time_budget_s=experiment.search.time_budget,
    )


def _write(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)
