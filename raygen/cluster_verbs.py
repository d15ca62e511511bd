"""The verbs of runs on a cluster: submit, status, logs, stop, attach, fetch."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raygen.errors import ConfigError, RunError
from raygen.shown import note

if TYPE_CHECKING:
    from raygen.launch.cluster_file import Cluster
    from raygen.launch.job_state import JobState
    from raygen.launch.order import Order
    from raygen.launch.ticket import Ticket
    from raygen.plan import Outline, Plan
    from raygen.runs.paths import RunPaths

_Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run: runs/<name>.")]
_RunDir = Annotated[
    str | None,
    typer.Option(
        "--run-dir", help="Folder that all nodes see (on Slurm: runs/NAME, else /shared/runs/NAME)."
    ),
]
_Output = Annotated[str | None, typer.Option("--output", help="File for the winner.")]
_Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace a value.")
]


def add_to(app: typer.Typer) -> None:
    """Let an app have these verbs."""
    for verb in (submit, status, logs, stop, attach, fetch):
        app.command()(verb)


def submit(
    config: Annotated[Path, typer.Argument(help="The YAML file.")],
    cluster: Annotated[str, typer.Option("--cluster", help="Its file, or http://HOST:8265.")],
    run_dir: _RunDir = None,
    output: _Output = None,
    set_: _Set = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done.")] = False,
    share: Annotated[
        float | None, typer.Option("--share", help="Weight among the runs on the cluster.")
    ] = None,
    price: Annotated[
        float | None, typer.Option("--price", help="Of a node for an hour, for --dry-run.")
    ] = None,
) -> None:
    """Run generate (or, without open parameters, finetune) on a cluster, and come back."""
    from raygen.config.words import listed
    from raygen.launch.cluster_file import check_fits, read_cluster
    from raygen.launch.copy_target import check_copy_target
    from raygen.launch.launchers import LAUNCHERS
    from raygen.launch.ticket import Ticket, write_ticket

    if price is not None:
        _check_price(price, dry_run=dry_run)
    kind, asked, origin = read_cluster(cluster)
    overrides = [*(set_ or []), *([] if share is None else [f"resources.share={share}"])]
    launcher = LAUNCHERS[kind]
    is_there = launcher.runs_below is not None
    folder = None if is_there else run_dir  # that of the ticket stays here
    plan = _planned(config, overrides, output, folder, has_own_files=launcher.has_own_files)
    check_fits(asked, plan.experiment.resources, where=origin.where(kind))
    check_copy_target(plan.experiment.storage, plan.experiment.origin.where("storage"))
    order = _order(plan, config, overrides)
    if order.packages.settings and (refusal := launcher.packages(asked, order.packages)):
        where = plan.experiment.origin.where("environment")
        raise ConfigError(f"given for {kind}", where=where, must=refusal)
    if launcher.runs_below is not None:
        order = replace(order, run=_folder_there(launcher.runs_below, plan, run_dir))
    text = launcher.render(asked, order)
    if names := order.packages.unpinned:
        note(f"no one version (==) is asked for of {listed(names)}: later nodes may get another")
    if dry_run:
        typer.echo(text, nl=False)
        for line in _estimate(plan, asked, price):
            note(line)
        return
    _refuse_second(plan, is_there=is_there)
    with _place_for_ticket(plan.paths):
        job = launcher.submit(asked, order, text, plan.paths)
    ticket = Ticket(
        kind=kind,
        job=job,
        submitted=time.time(),
        cluster=getattr(asked, "name", ""),
        run=str(order.run) if is_there else "",
        output=str(order.output) if is_there else "",
    )
    write_ticket(plan.paths, ticket)
    plan.paths.job_text.write_text(text, encoding="utf-8")
    if waits_for := launcher.settle(ticket):
        note(f"it has not begun yet: {waits_for}")
    more = "attach, logs, stop, fetch" if launcher.fetch else "attach, logs, stop"
    note(f"job {job} submitted; type raygen status {plan.paths.folder}, or {more}")


def status(run: _Run) -> None:
    """Tell where a submitted run is, why it waits, and how far it has come."""
    _tell_status(run)


def logs(
    run: _Run,
    trial: Annotated[str | None, typer.Argument(metavar="TRIAL", help="Of one trial.")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as it grows.")] = False,
) -> None:
    """Print what a run, or one of its trials, has said."""
    from raygen.launch.launchers import LAUNCHERS
    from raygen.launch.ticket import read_ticket
    from raygen.runs.paths import RunPaths

    ticket = read_ticket(run)
    said = False
    for text in LAUNCHERS[ticket.kind].logs(ticket, RunPaths(run), trial, follow):
        sys.stdout.write(text)
        sys.stdout.flush()
        said = said or bool(text)
    if not said and not follow:
        note(f"nothing has been said yet; type raygen status {run}")


def stop(run: _Run) -> None:
    """Have a run keep what is done and end; submitted again, it goes on."""
    from raygen.launch.launchers import LAUNCHERS
    from raygen.launch.ticket import read_ticket

    ticket = read_ticket(run)
    if _state_of(ticket).is_over:
        note(f"job {ticket.job} is over already")
        return
    LAUNCHERS[ticket.kind].stop(ticket)
    note(f"job {ticket.job} was told to stop; what is done is kept in the folder of the run")


def attach(run: _Run) -> None:
    """Follow a run to its end, whoever submitted it and whenever; leaving it does not stop it."""
    logs(run, None, follow=True)
    if _tell_status(run).word == "failed":
        raise typer.Exit(1)


def fetch(run: _Run) -> None:
    """Bring what a run has come to from the cluster: leaderboard, pictures, journal, winner."""
    from raygen.launch.launchers import LAUNCHERS
    from raygen.launch.ticket import read_ticket
    from raygen.runs.paths import RunPaths

    ticket = read_ticket(run)
    bring = LAUNCHERS[ticket.kind].fetch
    if bring is None:
        raise RunError(
            f"a run on {ticket.kind} given",
            where=str(run),
            must="its folder is this one; nothing has to be fetched",
            remedy=f"type raygen show {run}",
        )
    written = bring(ticket, RunPaths(run))
    typer.echo(f"fetched: {len(written)} files into {run}; type raygen show {run}")
    if ticket.output and Path(ticket.output) in written:
        typer.echo(f"written: {ticket.output}")


def _tell_status(run: Path) -> JobState:
    from raygen.launch.ticket import read_ticket

    ticket = read_ticket(run)
    state = _state_of(ticket)
    typer.echo(f"job {ticket.job}: {state.told()}")
    if line := state.said if ticket.run else _progress(run):
        typer.echo(line)
    return state


def _check_price(price: float, *, dry_run: bool) -> None:
    given = f"{price:g} given"
    if not 0 < price < float("inf"):
        must = "it must be a number above 0"
        raise ConfigError(given, where="--price", must=must, remedy="type --price 3.06")
    if not dry_run:
        must = "it is for the estimate of a run that is not begun"
        raise ConfigError(given, where="--price", must=must, remedy="add --dry-run, or remove it")


def _planned(
    config: Path,
    overrides: list[str],
    output: str | None,
    run_dir: str | None,
    *,
    has_own_files: bool,
) -> Plan | Outline:
    """All that can be known here; of data that is only on the cluster, that is less."""
    from raygen.plan import data_elsewhere, outline_run, plan_run

    if has_own_files:
        outline = outline_run(config, overrides, output=output, run_dir=run_dir)
        if path := data_elsewhere(outline.experiment):
            note(f"{path} is not here; it is looked at on the cluster")
            return outline
    return plan_run(config, overrides, output=output, run_dir=run_dir, here=False)


def _order(plan: Plan | Outline, config: Path, overrides: list[str]) -> Order:
    """What is to run, with full paths."""
    from raygen.launch.environment import packages_of
    from raygen.launch.named_files import named_files
    from raygen.launch.order import Order

    return Order(
        name=plan.experiment.name,
        verb=("generate", "--config") if plan.space.parameters else ("finetune",),
        config=config.resolve(),
        overrides=tuple(overrides),
        here=Path.cwd(),
        run=plan.paths.folder.resolve(),
        output=Path(plan.experiment.output).resolve(),
        log=plan.paths.job_log.resolve(),
        files=named_files(plan.experiment, config.resolve().parent),
        packages=packages_of(plan.experiment, config.resolve().parent),
    )


def _estimate(plan: Plan | Outline, cluster: Cluster, price: float | None) -> list[str]:
    from raygen.launch.estimate import estimate
    from raygen.runs.records import History
    from raygen.search.budget import expected_trials

    experiment, journal = plan.experiment, plan.paths.journal
    history = History.read(journal) if journal.exists() else History()
    trials = expected_trials(experiment.search, plan.space)
    return list(estimate(experiment, cluster, history, trials=trials, price=price))


def _folder_there(below: str, plan: Plan | Outline, run_dir: str | None) -> Path:
    """The folder of a run on a cluster that has files of its own.

    Raises:
        ConfigError: It is none.
    """
    if run_dir is not None and not run_dir.startswith("/"):
        raise ConfigError(
            f"{run_dir!r} given",
            where="--run-dir",
            must="it must be a full path on the cluster, in a folder that all its nodes share",
            remedy=f"for example {below}/{plan.experiment.name}",
        )
    return Path(run_dir or f"{below}/{plan.experiment.name}")


def _state_of(ticket: Ticket) -> JobState:
    from raygen.launch.launchers import LAUNCHERS

    return LAUNCHERS[ticket.kind].state_of(ticket)


@contextmanager
def _place_for_ticket(paths: RunPaths) -> Iterator[None]:
    """See that a job can be asked for before there is one; leaves no folder if there is none.

    Raises:
        RunError: The run's folder cannot be written.
    """
    folder = paths.ticket.parent
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = paths.ticket.with_suffix(".part")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RunError(
            f"cannot be written: {error.strerror}",
            where=str(paths.folder),
            must="what the cluster calls the job is kept there",
            remedy="type --run-dir OTHER, or cd to a folder that can",
        ) from None
    try:
        yield
    except BaseException:
        with suppress(OSError):  # something else lies there by now
            for each in made:
                each.rmdir()
        raise


def _refuse_second(plan: Plan | Outline, *, is_there: bool) -> None:
    """Refuse a run that is on the cluster already, or whose folder is that of a run from here.

    Raises:
        RunError: So it is.
    """
    from raygen.launch.ticket import read_ticket

    if not plan.paths.ticket.exists():
        if is_there and plan.paths.journal.exists():
            raise RunError(
                "it holds a run that was begun here",
                where=str(plan.paths.folder),
                must="what is fetched from the cluster goes there",
                remedy="type --set name=OTHER",
            )
        return
    ticket = read_ticket(plan.paths.folder)
    if not _state_of(ticket).is_over:
        raise RunError(
            f"job {ticket.job} is at it",
            where=str(plan.paths.folder),
            must="a run must be on the cluster once",
            remedy=f"type raygen stop {plan.paths.folder}, or "
            + ("--set name=OTHER" if is_there else "--run-dir OTHER"),
        )


def _progress(run: Path) -> str:
    """How far a run has come, by its journal."""
    from raygen.report.tables import best_text
    from raygen.runs.paths import RunPaths
    from raygen.runs.records import History

    journal = RunPaths(run).journal
    if not journal.exists():
        return ""
    history = History.read(journal)
    trials = list(history.trials.values())
    parts = [f"{sum(each.state.is_over() for each in trials)} trials over"] if trials else []
    parts += [best_text(history)] if any(each.curve for each in trials) else []
    parts += [f"{len(history.folds)} folds"] if history.folds else []
    if history.fit and not history.test:
        parts.append(f"training on all rows, epoch {history.fit['epoch']}")
    if history.test:
        parts.append("done")
    return ", ".join(parts)
