"""What does the command line print of a run: its leaderboard, its search, its outcome?"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from raygen.pipeline import Result
    from raygen.report.run_view import RunView
    from raygen.runs.paths import RunPaths

_WIDE = 200
"""Columns of a file, which has no width of its own."""


def show_ranked(paths: RunPaths, as_json: bool) -> None:
    """The leaderboard of a run, as a table or as it is."""
    from raygen.outcome import read_leaderboard

    board = read_leaderboard(paths)
    if as_json:
        typer.echo(json.dumps(board, ensure_ascii=False))
        return
    show_leaderboard(board)
    show_advice(paths)


def show_searched(paths: RunPaths, as_json: bool) -> None:
    """The trials of a run that is not ranked yet, or the one training that it is."""
    from raygen.report.run_view import read_run

    found = read_run(paths)
    if as_json:
        typer.echo(json.dumps(found.board(), ensure_ascii=False))
        return
    if found.is_single:
        _show_training(found, paths)
        return
    _print(found.table())
    show_advice(paths)
    verb = "status" if paths.ticket.exists() else "rank"
    note(f"not ranked yet; type raygen {verb} {paths.folder}")


def _show_training(found: RunView, paths: RunPaths) -> None:
    typer.echo(found.training())
    if found.history.test:
        typer.echo(f"predict: python {paths.best / 'model.py'} --predict FILE")
    else:
        note("the same raygen finetune goes on with it")


def show_plots(paths: RunPaths, pictures: list[str] | None, as_json: bool) -> None:
    """Draw all pictures of a run, or those named, or print the numbers behind them."""
    from raygen.report.plots import draw_search, known_names, refusals, search_data
    from raygen.report.run_view import read_run

    found = read_run(paths)
    if as_json:
        data = search_data(found.history, found.space, board=found.ranked)
        chosen = {name: data[name] for name in known_names(pictures)} if pictures else data
        typer.echo(json.dumps(chosen, ensure_ascii=False))
        return
    name = found.experiment.name
    chosen = {"names": pictures or None, "name": name, "board": found.ranked}
    for path in draw_search(found.history, found.space, paths.folder, **chosen):
        typer.echo(path)
    if reasons := [] if pictures else refusals(found.search).values():
        note(f"not drawn: {'; '.join(reasons)}")
    show_advice(paths, err=True)


def show_advice(paths: RunPaths, *, err: bool = False) -> None:
    """What the trials say should be done differently; nothing if they say nothing."""
    from raygen.report.run_view import advice_lines

    for line in advice_lines(paths):
        typer.echo(f"advice: {line}", err=err)


def _print(shown: RenderableType) -> None:
    """Write a table; into a file in long lines, without blanks at their ends."""
    from rich.console import Console

    console = Console()
    if console.is_terminal:
        console.print(shown)
        return
    wide = Console(
        width=None if os.environ.get("COLUMNS", "0") != "0" else _WIDE, color_system=None
    )
    with wide.capture() as told:
        wide.print(shown)
    typer.echo("\n".join(line.rstrip() for line in told.get().splitlines()))


def show_leaderboard(board: dict[str, Any]) -> None:
    """The candidates that were ranked."""
    from raygen.report.tables import leaderboard_table

    _print(leaderboard_table(board))


def show_outcome(result: Result) -> None:
    """The score with its uncertainty, the file, the command to run it."""
    from raygen.report.texts import has_repeats
    from raygen.runs.paths import RunPaths
    from raygen.runs.together import together_rows

    board = result.leaderboard
    best = board["entries"][0]
    test = board["test"].get(board["metric"])
    told = f", test {test:.4g}" if test is not None else ""
    spread = "" if best["std"] is None else f" ± {best['std']:.2g}"
    what = f"over {len(best['folds'])} {'repeats' if has_repeats(board) else 'folds'}"
    typer.echo(f"{board['metric']} {best['mean']:.4g}{spread}{f' {what}' if spread else ''}{told}")
    if result.output is None:
        typer.echo(f"leaderboard: {result.run_dir / 'leaderboard.json'}")
        return
    typer.echo(f"written: {result.output} (picture: {result.run_dir / 'report.png'})")
    typer.echo(f"run it: python {result.output}")
    ensemble = RunPaths(result.run_dir).ensemble
    for row in together_rows(board) if ensemble.exists() else ():
        if row["mean"] is None:
            typer.echo(f"{row['trial_id']}: python {ensemble}")
        elif row["posterior"] and row["posterior"]["mean"] > 0:  # on the folds that both have
            typer.echo(f"better together: python {ensemble}")


def note(line: str) -> None:
    """Say something beside what was asked for: on standard error."""
    typer.echo(line, err=True)
