"""The verbs of the command line; each is a few lines around one function of the package."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

# looking for pydantic's plugins takes 15 ms, and we use none
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

import typer

from raygen import __version__
from raygen.errors import ConfigError, RaygenError

if TYPE_CHECKING:
    from raygen.pipeline import Result
    from raygen.plan import Plan

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Search, rank and write plain models from one YAML file.",
)

_Config = Annotated[Path, typer.Option("--config", help="The YAML file.")]
_Output = Annotated[str | None, typer.Option("--output", help="File for the winner.")]
_RunDir = Annotated[str | None, typer.Option("--run-dir", help="Folder (default: runs/<name>).")]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a value: --set search.trials=8."),
]
_Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run: runs/<name>.")]


@app.command()
def generate(
    config: _Config, output: _Output = None, run_dir: _RunDir = None, set_: _Set = None
) -> None:
    """Search, rank by cross-validation, and write the winner's model.py."""
    _steps(_plan(config, set_, output, run_dir), "emit")


@app.command()
def check(
    config: Annotated[Path, typer.Argument(help="The YAML file.")], set_: _Set = None
) -> None:
    """Check everything that needs no training, and print the complete config."""
    from raygen.config.load import dump_experiment

    plan = _plan(config, set_, None, None)
    typer.echo(dump_experiment(plan.experiment), nl=False)
    _note(f"{config} is fine: {_told(plan)}")


@app.command()
def search(config: _Config, run_dir: _RunDir = None, set_: _Set = None) -> None:
    """Only search: the first step of generate."""
    _steps(_plan(config, set_, None, run_dir, emits=False), "search")


@app.command()
def rank(run: _Run) -> None:
    """Only rank what a search has found: the second step of generate."""
    _steps(_plan_of(run), "rank")


@app.command()
def show(
    run: _Run, as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False
) -> None:
    """Print the leaderboard of a run."""
    from raygen.pipeline import read_leaderboard
    from raygen.runs.paths import RunPaths

    board = read_leaderboard(RunPaths(run))
    if as_json:
        typer.echo(json.dumps(board, ensure_ascii=False))
    else:
        _print_leaderboard(board)


@app.command()
def init(
    task: Annotated[str, typer.Argument(help="For example ImageClassification.")],
    output: Annotated[Path, typer.Option("--output", help="File to write.")] = Path("config.yaml"),
) -> None:
    """Write a commented config.yaml for a task."""
    from raygen.config.reference import starter_config

    text = starter_config(task)
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(
            f"cannot be written: {error.strerror}", where=str(output), remedy="type --output OTHER"
        ) from None
    _note(f"{output} written; type raygen generate --config {output}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the YAML, for editors."""
    from raygen.config.reference import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command()
def spaces(
    name: Annotated[str | None, typer.Argument(help="For example image/convnet.")] = None,
) -> None:
    """List the shipped search spaces, or tell all about one."""
    from raygen.config.spaces import list_spaces, load_space

    if name is None:
        for each in list_spaces():
            typer.echo(f"{each:20} {load_space(each).description}")
        return
    space = load_space(name)
    size = space.size()
    typer.echo(f"{space.name}: {space.description}")
    typer.echo(f"{len(space.parameters)} parameters, {size or 'infinitely many'} candidates\n")
    for parameter in space.parameters:
        when = f", when {parameter.when}" if parameter.when else ""
        typer.echo(f"{parameter.name:18} {parameter.domain!s:26} {parameter.changes}{when}")


@app.command()
def doctor() -> None:
    """Tell what this machine has, and how to mend what is known not to work."""
    from raygen.doctor import examine, verdict

    findings = examine()
    for finding in findings:
        typer.echo(finding.line)
    raise typer.Exit(0 if verdict(findings) else 1)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"raygen {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; an error prints its one line and gives its exit code."""
    try:
        app()
    except RaygenError as error:
        if os.environ.get("RAYGEN_DEBUG"):
            raise
        _note(f"Error: {error}")
        sys.exit(error.exit_code)
    except OSError as error:  # a full disk, a folder that was removed
        if os.environ.get("RAYGEN_DEBUG"):
            raise
        kept = "what is in the journal is kept, and the same command goes on"
        _note(f"Error: {error.filename or 'this machine'}: {error.strerror or error}; {kept}")
        sys.exit(1)


def _plan(
    config: Path,
    overrides: list[str] | None,
    output: str | None,
    run: str | None,
    *,
    emits: bool = True,
) -> Plan:
    from raygen.plan import plan_run

    return plan_run(config, overrides or (), output=output, run_dir=run, emits=emits)


def _plan_of(run: Path) -> Plan:
    from raygen.plan import plan_run
    from raygen.runs.paths import RunPaths

    paths = RunPaths(run)
    if not paths.config.exists():
        raise ConfigError("there is no run", where=str(run), remedy="type ls runs")
    return plan_run(paths.config, run_dir=str(run), emits=False)


def _steps(plan: Plan, upto: str) -> None:
    from raygen.pipeline import run_steps

    result = run_steps(plan, upto=upto)
    if result.leaderboard["entries"]:
        _print_leaderboard(result.leaderboard)
        _print_outcome(result)
    else:
        _note(f"searched; type raygen rank {result.run_dir}")


def _print_leaderboard(board: dict[str, Any]) -> None:
    from rich.console import Console

    from raygen.report.tables import leaderboard_table

    Console().print(leaderboard_table(board))


def _print_outcome(result: Result) -> None:
    """The score with its uncertainty, the file, the command to run it."""
    board = result.leaderboard
    best = board["entries"][0]
    test = board["test"].get(board["metric"])
    told = f", test {test:.4g}" if test is not None else ""
    folds = len(best["folds"])
    typer.echo(f"{board['metric']} {best['mean']:.4g} ± {best['std']:.2g} over {folds} folds{told}")
    if result.output is None:
        typer.echo(f"leaderboard: {result.run_dir / 'leaderboard.json'}")
        return
    typer.echo(f"written: {result.output} (picture: {result.run_dir / 'report.png'})")
    typer.echo(f"run it: python {result.output}")


def _told(plan: Plan) -> str:
    spec, size = plan.spec, plan.space.size()
    outputs = f"{spec.num_classes} classes" if spec.classes else "a value"
    return (
        f"{spec.num_rows} training and {spec.num_test_rows} test rows, {outputs}; "
        f"{plan.space.name} with {size or 'infinitely many'} candidates"
    )


def _note(line: str) -> None:
    typer.echo(line, err=True)
