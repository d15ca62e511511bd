"""Opens the folder of a run: is it free, is it this experiment's, and what has been done?"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from raygen.config.load import dump_experiment, load_experiment
from raygen.errors import RunError
from raygen.launch.ticket import read_ticket
from raygen.plan import Plan, same_but_budget
from raygen.runs.journal import Journal, read_events
from raygen.runs.paths import RunPaths
from raygen.runs.records import History

_FIRST = b'{"event": "begin"'
"""How a journal begins."""


@contextmanager
def open_run(
    plan: Plan, restore: Callable[[], None] = lambda: None
) -> Iterator[tuple[Journal, History]]:
    """Lock the run's folder, check that it is this experiment's, and open its journal.

    A run in which nothing ever began leaves nothing behind, and one of which no epoch came to its
    end makes room for another: what it failed by may have been mended.

    Args:
        plan: Of the run.
        restore: May bring what there is of it elsewhere, once the folder is locked.

    Raises:
        RunError: Another process works on it, or it holds another experiment, or what is no run.
    """
    paths = plan.paths
    try:
        _check_no_copy(paths)
        _check_free(paths)
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
        try:
            restore()
        except BaseException:
            if not paths.journal.exists():
                _remove_empty(paths)
            raise
        history = History.read(paths.journal)
        if history.trials and (differs := _difference(plan)):
            if history.has_learnt():
                raise RunError(
                    f"it holds a run with another {differs}",
                    where=str(paths.folder),
                    must="a run goes on with what it began with",
                    remedy=_way_on(differs, paths),
                )
            _remove_trials(paths)
            history = History()
        journal = Journal(paths.journal)
        try:
            yield journal, history
        finally:
            journal.close()
            if not history.metric:
                _remove_empty(paths)


def begin_run(plan: Plan, journal: Journal, history: History) -> None:
    """Write the complete config and, for a run without trials, what it is a run of."""
    write_whole(plan.paths.config, dump_experiment(plan.experiment).encode())
    if not history.trials:
        event = journal.append(
            "begin",
            metric=plan.blueprint.metric,
            objectives=[asdict(each) for each in plan.blueprint.objectives],
            data_sha=plan.blueprint.data_sha,
            space_sha=plan.space_sha,
        )
        history.take(event)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)


def _check_free(paths: RunPaths) -> None:
    """Refuse a folder with files of others that the run would write over.

    Raises:
        RunError: So it is.
    """
    known = paths.journal.exists()
    if known:
        with paths.journal.open("rb") as file:
            known = _FIRST.startswith(file.read(len(_FIRST)))  # which a kill may have cut off
    other = paths.journal if paths.journal.exists() else paths.config
    if not known and other.exists():
        raise RunError(
            f"it holds a {other.name} that is of no run",
            where=str(paths.folder),
            must="the folder of a run is a new one, or that of the same run",
            remedy="type --run-dir OTHER",
        )


def _check_no_copy(paths: RunPaths) -> None:
    """Refuse what was fetched from a cluster: the run itself goes on there.

    Raises:
        RunError: So it is.
    """
    if not paths.ticket.exists():
        return
    ticket = read_ticket(paths.folder)
    if ticket.run and Path(ticket.run).resolve() != paths.folder.resolve():
        raise RunError(
            f"it is a copy of a run on a cluster, job {ticket.job}",
            where=str(paths.folder),
            must="a run goes on where it is",
            remedy="type raygen submit again, or --run-dir OTHER",
        )


def _difference(plan: Plan) -> str:
    """What an experiment has other than the one that the run began with; empty if nothing."""
    paths = plan.paths
    begun = [event for event in read_events(paths.journal) if event["event"] == "begin"][-1]
    differs = ""
    if paths.config.exists():
        differs = same_but_budget(load_experiment(paths.config), plan.experiment)
    if not differs and begun["data_sha"] != plan.blueprint.data_sha:
        differs = "data set or program: the content of its files has changed"
        if plan.experiment.rank.function:
            differs += f", or {plan.experiment.rank.split} deals other rows than before"
    if not differs and begun["space_sha"] != plan.space_sha:
        differs = f"search space: {plan.space.name} has changed"
    return differs


def _way_on(differs: str, paths: RunPaths) -> str:
    if differs == "rank.folds":  # the trials of a search are the first of its folds
        again = f"raygen rank {paths.trials}/*/model.py --folds N"
        return f"type {again}, or search with --run-dir OTHER"
    return "type --run-dir OTHER, or give the config another name"


def _remove_trials(paths: RunPaths) -> None:
    paths.config.unlink(missing_ok=True)
    paths.journal.unlink()
    shutil.rmtree(paths.trials, ignore_errors=True)


def _remove_empty(paths: RunPaths) -> None:
    for file in (paths.journal, paths.lock):
        file.unlink(missing_ok=True)
    with suppress(OSError):  # something else lies there
        paths.folder.rmdir()
