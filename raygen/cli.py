"""The verbs of the command line; each is a few lines around one function of the package."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

# looking for pydantic's plugins takes 15 ms, and we use none
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

import typer

from raygen import __version__
from raygen.cluster_verbs import add_to as add_cluster_verbs
from raygen.errors import ConfigError, RaygenError
from raygen.shown import (
    note,
    show_advice,
    show_leaderboard,
    show_outcome,
    show_plots,
    show_ranked,
    show_searched,
)
from raygen.verbs import add_to

if TYPE_CHECKING:
    from raygen.plan import Plan

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Search, rank and write plain models from one YAML file.",
)

_INTERRUPTED = 130

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
    note(f"{given} is fine: {_told(plan)}")


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
    choose: Annotated[
        str | None,
        typer.Option("--choose", help="Who wins: mean, simplest-tied, ... (docs/ranking.md)."),
    ] = None,
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
        typer.Argument(metavar="PICTURE", help="With --plot: only these pictures."),
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
        show_plots(paths, pictures, as_json)
    elif paths.leaderboard.exists():
        show_ranked(paths, as_json)
    else:
        show_searched(paths, as_json)


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
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"raygen {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line; an error prints its one line and gives its exit code."""
    try:
        sys.exit(_run())
    except RaygenError as error:
        if os.environ.get("RAYGEN_DEBUG"):
            raise
        note(f"Error: {error}")
        sys.exit(error.exit_code)
    except OSError as error:  # a full disk, a folder that was removed
        if os.environ.get("RAYGEN_DEBUG"):
            raise
        told = f"Error: {error.filename or 'this machine'}: {error.strerror or error}"
        ran = sys.argv[1:2] and sys.argv[1] in ("generate", "search", "rank", "finetune")
        kept = "; what is in the journal is kept, and the same command goes on" if ran else ""
        note(f"{told}{kept}")
        sys.exit(1 if ran else 2)


def _run() -> int:
    """Run the verb that was typed, and give the exit code.

    Raises:
        ConfigError: It is no verb, or does not take what stands after it.
    """
    try:
        code: int = app(standalone_mode=False) or 0
    except typer.TyperException as error:
        typed = getattr(error, "ctx", None)
        verb = typed.command_path if typed else "raygen"
        told = error.format_message().rstrip(".")
        raise ConfigError(told, where=verb, remedy=f"type {verb} --help") from None
    if code == _INTERRUPTED:  # by Ctrl-C while nothing ran that would have something to keep
        note("interrupted")
    return code


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
    note(plan.blueprint.told())
    result = run_steps(plan, upto="rank")
    show_leaderboard(result.leaderboard)
    show_outcome(result)


def _steps(plan: Plan, upto: str) -> None:
    from raygen.pipeline import run_steps
    from raygen.runs.paths import RunPaths

    _tell_left_out(plan)
    result = run_steps(plan, upto=upto)
    if result.leaderboard["entries"]:
        show_leaderboard(result.leaderboard)
        show_outcome(result)
    else:
        note(f"searched; type raygen rank {result.run_dir}")
    show_advice(RunPaths(result.run_dir), err=True)


def _tell_left_out(plan: Plan) -> None:
    """Say before anything is trained what of the data will not be."""
    if plan.blueprint.left_out:
        note(f"data: {plan.blueprint.left_out}")


def _told(plan: Plan) -> str:
    if not plan.space.parameters:
        return f"{plan.blueprint.told()}; {plan.space.name}, with nothing to search"
    size = plan.space.size()
    searched = plan.space.name if plan.space.layers else "parameters"
    told = f"{plan.blueprint.told()}; {searched} with {size or 'infinitely many'} candidates"
    return f"{told}; {chosen}" if (chosen := plan.algorithm_told()) else told
