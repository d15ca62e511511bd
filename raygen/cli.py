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
from raygen.cluster_verbs import add_to as add_cluster_verbs
from raygen.errors import ConfigError, RaygenError
from raygen.verbs import add_to

if TYPE_CHECKING:
    from rich.console import RenderableType

    from raygen.pipeline import Result
    from raygen.plan import Plan
    from raygen.report.run_view import RunView
    from raygen.runs.paths import RunPaths

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Search, rank and write plain models from one YAML file.",
)

_WIDE = 200
"""Columns of a file, which has no width of its own."""

_Config = Annotated[Path | None, typer.Option("--config", help="The YAML file.")]
_Bare = Annotated[
    Path | None, typer.Argument(metavar="CONFIG", help="The YAML file, without --config.")
]
_Output = Annotated[str | None, typer.Option("--output", help="File for the winner.")]
_RunDir = Annotated[str | None, typer.Option("--run-dir", help="Folder (default: runs/<name>).")]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a value: --set search.trials=8."),
]
_Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run: runs/<name>.")]


@app.command()
def generate(
    bare: _Bare = None,
    config: _Config = None,
    output: _Output = None,
    run_dir: _RunDir = None,
    set_: _Set = None,
) -> None:
    """Search, rank by cross-validation, and write the winner's model.py."""
    _steps(_plan(_given(bare, config), set_, output, run_dir), "emit")


@app.command()
def finetune(
    bare: _Bare = None,
    config: _Config = None,
    output: _Output = None,
    run_dir: _RunDir = None,
    set_: _Set = None,
) -> None:
    """Train one model once, without a search; score it, and write its model.py and weights."""
    from raygen.pipeline import run_steps

    plan = _plan(_given(bare, config), set_, output, run_dir)
    _tell_left_out(plan)
    result = run_steps(plan, upto="fit")
    for name, score in result.leaderboard["test"].items():
        typer.echo(f"test {name} {score:.4g}")
    best = result.run_dir / "best"
    typer.echo(f"written: {result.output}, and with its weights {best / 'model.py'}")
    typer.echo(f"predict: python {best / 'model.py'} --predict FILE")


@app.command()
def check(bare: _Bare = None, config: _Config = None, set_: _Set = None) -> None:
    """Check everything that needs no training, and print the complete config."""
    from raygen.config.load import dump_experiment

    given = _given(bare, config)
    plan = _plan(given, set_, None, None)
    typer.echo(dump_experiment(plan.experiment), nl=False)
    _note(f"{given} is fine: {_told(plan)}")


@app.command()
def search(
    bare: _Bare = None, config: _Config = None, run_dir: _RunDir = None, set_: _Set = None
) -> None:
    """Only search: the first step of generate."""
    _steps(_plan(_given(bare, config), set_, None, run_dir, emits=False), "search")


@app.command()
def rank(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN|MODEL.PY...", help="Folder of a run, or programs to compare."),
    ],
    folds: Annotated[
        int | None, typer.Option("--folds", help="Folds (default: as it is written).")
    ] = None,
    repeats: Annotated[
        int | None, typer.Option("--repeats", help="How often the rows are dealt anew.")
    ] = None,
    method: Annotated[str | None, typer.Option("--method", help="full or race.")] = None,
    rope: Annotated[
        float | None, typer.Option("--rope", help="Difference that makes none in practice.")
    ] = None,
    choose: Annotated[str | None, typer.Option("--choose", help="Rule by which one wins.")] = None,
    run_dir: Annotated[
        str | None, typer.Option("--run-dir", help="Of programs (default: runs/ranked).")
    ] = None,
    cpus: Annotated[
        int | None, typer.Option("--cpus", help="CPUs of each training (default: THREADS).")
    ] = None,
    set_: _Set = None,
) -> None:
    """Only rank what a search has found, also by other terms; or any model.py files."""
    terms = {"folds": folds, "repeats": repeats, "method": method, "rope": rope, "choose": choose}
    words = [f"rank.{key}={value}" for key, value in terms.items() if value is not None]
    if cpus is not None:
        words.append(f"resources.cpus_per_trial={cpus}")
    words += set_ or ()
    if len(runs) > 1 or _is_program(runs[0]):
        _rank_files(runs, words, run_dir)
        return
    if run_dir is not None:
        must = "that of a run is the folder itself"
        raise ConfigError(f"{run_dir!r} given", where="--run-dir", must=must, remedy="remove it")
    _steps(_plan_of(runs[0], words), "rank")


@app.command()
def show(
    run: _Run,
    pictures: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PICTURE]...", help="With --plot: only these pictures."),
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the search into RUN/plots.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="For machines; with --plot the numbers behind it.")
    ] = False,
) -> None:
    """Print the leaderboard of a run, or its search before that, and what the trials advise."""
    from raygen.runs.paths import RunPaths

    if pictures and not plot:
        raise ConfigError(
            f"{pictures[0]!r} given",
            where="raygen show",
            must="only --plot takes names of pictures",
            remedy=f"type raygen show {run} --plot {pictures[0]}",
        )
    paths = RunPaths(run)
    if plot:
        _plot(paths, pictures, as_json)
    elif paths.leaderboard.exists():
        _show_ranked(paths, as_json)
    else:
        _show_searched(paths, as_json)


add_to(app)
add_cluster_verbs(app)


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


def _given(bare: Path | None, config: Path | None) -> Path:
    """The YAML file, which may stand alone or after --config.

    Raises:
        ConfigError: There is none, or there are two.
    """
    given = config or bare
    if given is None or (config and bare):
        raise ConfigError(
            "no config given" if given is None else f"{config} and {bare} given",
            where="--config",
            must="one YAML file must be given",
            remedy="for example --config config.yaml, or type raygen init for one to start with",
        )
    return given


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


def _plan_of(run: Path, overrides: list[str] | None) -> Plan:
    from raygen.plan import plan_run
    from raygen.runs.board import no_run
    from raygen.runs.paths import RunPaths

    paths = RunPaths(run)
    if not paths.config.exists():
        raise no_run(run)
    return plan_run(paths.config, overrides or (), run_dir=str(run), emits=False)


def _is_program(path: Path) -> bool:
    """Whether it names a program, or a folder that has one and is no run."""
    from raygen.runs.paths import RunPaths

    return path.suffix == ".py" or (
        (path / "model.py").is_file() and not RunPaths(path).config.exists()
    )


def _rank_files(files: list[Path], words: list[str], run_dir: str | None) -> None:
    """Compare programs that no search has found."""
    from raygen.pipeline import run_steps
    from raygen.plan import plan_files
    from raygen.runs.paths import RunPaths

    for each in files:
        if RunPaths(each).config.is_file():
            raise ConfigError(
                "it is a run, among others",
                where=str(each),
                must="a run is ranked alone, and beside others a program",
                remedy=f"type {RunPaths(each).best / 'model.py'} for its winner",
            )
    named = [str(each / "model.py" if each.is_dir() else each) for each in files]
    plan = plan_files(named, words, run_dir=run_dir)
    _note(plan.blueprint.told())
    result = run_steps(plan, upto="rank")
    _print_leaderboard(result.leaderboard)
    _print_outcome(result)


def _steps(plan: Plan, upto: str) -> None:
    from raygen.pipeline import run_steps
    from raygen.runs.paths import RunPaths

    _tell_left_out(plan)
    result = run_steps(plan, upto=upto)
    if result.leaderboard["entries"]:
        _print_leaderboard(result.leaderboard)
        _print_outcome(result)
    else:
        _note(f"searched; type raygen rank {result.run_dir}")
    _print_advice(RunPaths(result.run_dir), err=True)


def _tell_left_out(plan: Plan) -> None:
    """Say before anything is trained what of the data will not be."""
    if plan.blueprint.left_out:
        _note(f"data: {plan.blueprint.left_out}")


def _show_ranked(paths: RunPaths, as_json: bool) -> None:
    from raygen.outcome import read_leaderboard

    board = read_leaderboard(paths)
    if as_json:
        typer.echo(json.dumps(board, ensure_ascii=False))
        return
    _print_leaderboard(board)
    _print_advice(paths)


def _show_searched(paths: RunPaths, as_json: bool) -> None:
    from raygen.report.run_view import read_run

    found = read_run(paths)
    if as_json:
        typer.echo(json.dumps(found.board(), ensure_ascii=False))
        return
    if found.is_single:
        _show_training(found, paths)
        return
    _print(found.table())
    _print_advice(paths)
    _note(f"not ranked yet; type raygen rank {paths.folder}")


def _show_training(found: RunView, paths: RunPaths) -> None:
    typer.echo(found.training())
    if found.history.test:
        typer.echo(f"predict: python {paths.best / 'model.py'} --predict FILE")
    else:
        _note("the same raygen finetune goes on with it")


def _plot(paths: RunPaths, pictures: list[str] | None, as_json: bool) -> None:
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
        _note(f"not drawn: {'; '.join(reasons)}")
    _print_advice(paths, err=True)


def _print_advice(paths: RunPaths, *, err: bool = False) -> None:
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
    wide = Console(width=None if "COLUMNS" in os.environ else _WIDE, color_system=None)
    with wide.capture() as told:
        wide.print(shown)
    typer.echo("\n".join(line.rstrip() for line in told.get().splitlines()))


def _print_leaderboard(board: dict[str, Any]) -> None:
    from raygen.report.tables import leaderboard_table

    _print(leaderboard_table(board))


def _print_outcome(result: Result) -> None:
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


def _told(plan: Plan) -> str:
    if not plan.space.parameters:
        return f"{plan.blueprint.told()}; {plan.space.name}, with nothing to search"
    size = plan.space.size()
    searched = plan.space.name if plan.space.layers else "parameters"
    told = f"{plan.blueprint.told()}; {searched} with {size or 'infinitely many'} candidates"
    return f"{told}; {chosen}" if (chosen := plan.algorithm_told()) else told


def _note(line: str) -> None:
    typer.echo(line, err=True)
