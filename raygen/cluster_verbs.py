"""The verbs of runs on a cluster: submit, status, logs, stop, attach."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raygen.errors import RunError

if TYPE_CHECKING:
    from raygen.launch.job_state import JobState
    from raygen.launch.order import Order
    from raygen.launch.ticket import Ticket
    from raygen.plan import Plan

_Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run: runs/<name>.")]
_RunDir = Annotated[str | None, typer.Option("--run-dir", help="Folder, seen by all nodes.")]
_Output = Annotated[str | None, typer.Option("--output", help="File for the winner.")]
_Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace a value.")
]
_PAUSE_S = 1.0


def add_to(app: typer.Typer) -> None:
    """Let an app have these verbs."""
    for verb in (submit, status, logs, stop, attach):
        app.command()(verb)


def submit(
    config: Annotated[Path, typer.Argument(help="The YAML file.")],
    cluster: Annotated[Path, typer.Option("--cluster", help="File of the cluster.")],
    run_dir: _RunDir = None,
    output: _Output = None,
    set_: _Set = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done.")] = False,
) -> None:
    """Run generate (or, without open parameters, finetune) on a cluster, and come back at once."""
    from raygen.launch.cluster_file import check_fits, read_cluster
    from raygen.launch.launchers import LAUNCHERS
    from raygen.launch.ticket import Ticket, write_ticket
    from raygen.plan import plan_run

    kind, asked, origin = read_cluster(cluster)
    plan = plan_run(config, set_ or (), output=output, run_dir=run_dir, here=False)
    check_fits(asked, plan.experiment.resources, where=origin.where(kind))
    text = LAUNCHERS[kind].render(asked, _order(plan, config, set_ or []))
    if dry_run:
        typer.echo(text, nl=False)
        return
    _refuse_second(plan)
    job = LAUNCHERS[kind].submit(text)
    write_ticket(plan.paths, Ticket(kind=kind, job=job, submitted=time.time()))
    plan.paths.job_text.write_text(text, encoding="utf-8")
    _note(f"job {job} submitted; type raygen status {plan.paths.folder}, or attach, logs, stop")


def status(run: _Run) -> None:
    """Tell where a submitted run is, why it waits, and how far it has come."""
    from raygen.launch.ticket import read_ticket

    ticket = read_ticket(run)
    typer.echo(f"job {ticket.job}: {_state_of(ticket).told()}")
    if line := _progress(run):
        typer.echo(line)


def logs(
    run: _Run,
    trial: Annotated[str | None, typer.Argument(metavar="[TRIAL]", help="Of one trial.")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as it grows.")] = False,
) -> None:
    """Print what a run, or one of its trials, has said."""
    from raygen.launch.launchers import LAUNCHERS
    from raygen.launch.ticket import read_ticket
    from raygen.runs.paths import RunPaths

    paths = RunPaths(run)
    log = paths.job_log if trial is None else paths.trial(trial).log
    if trial is not None and not log.exists():
        raise RunError(f"there is no trial {trial}", where=str(run), remedy=f"type ls {run}/trials")
    ticket = read_ticket(run)
    remedy = LAUNCHERS[ticket.kind].logs_elsewhere(ticket.job)
    if remedy:
        raise RunError(
            f"its folder is on the cluster ({ticket.kind})",
            where=str(run),
            must="what it prints must lie here to be shown",
            remedy=remedy,
        )
    for text in _texts(log, ticket if follow else None):
        sys.stdout.write(text)
        sys.stdout.flush()


def stop(run: _Run) -> None:
    """Have a run keep what is done and end; submitted again, it goes on."""
    from raygen.launch.launchers import LAUNCHERS
    from raygen.launch.ticket import read_ticket

    ticket = read_ticket(run)
    if _state_of(ticket).is_over:
        _note(f"job {ticket.job} is over already")
        return
    LAUNCHERS[ticket.kind].stop(ticket.job)
    _note(f"job {ticket.job} was told to stop; what is done is kept in the folder of the run")


def attach(run: _Run) -> None:
    """Follow a run to its end, whoever submitted it and whenever; leaving it does not stop it."""
    logs(run, None, follow=True)
    status(run)


def _order(plan: Plan, config: Path, overrides: list[str]) -> Order:
    """What is to run, with full paths."""
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
    )


def _state_of(ticket: Ticket) -> JobState:
    from raygen.launch.launchers import LAUNCHERS

    return LAUNCHERS[ticket.kind].state_of(ticket.job)


def _refuse_second(plan: Plan) -> None:
    """Refuse a run that is on the cluster already.

    Raises:
        RunError: It is.
    """
    from raygen.launch.ticket import read_ticket

    if not plan.paths.ticket.exists():
        return
    ticket = read_ticket(plan.paths.folder)
    if not _state_of(ticket).is_over:
        raise RunError(
            f"job {ticket.job} is at it",
            where=str(plan.paths.folder),
            must="a run must be on the cluster once",
            remedy=f"type raygen stop {plan.paths.folder}, or --run-dir OTHER",
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


def _texts(log: Path, ticket: Ticket | None) -> Iterator[str]:
    """What a file holds, and, with a ticket, what it gets until the job is over."""
    place = 0
    while True:
        over = ticket is None or _state_of(ticket).is_over
        if log.exists():
            with log.open(encoding="utf-8", errors="replace") as file:
                file.seek(place)
                yield file.read()
                place = file.tell()
        if over:
            return
        time.sleep(_PAUSE_S)


def _note(line: str) -> None:
    typer.echo(line, err=True)
