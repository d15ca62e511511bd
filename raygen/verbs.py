"""The verbs that run nothing: they write, tell and convert what others read."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raygen.errors import ConfigError

if TYPE_CHECKING:
    from raygen.config.space import Space

_Output = Annotated[
    str | None, typer.Option("--output", help="File to write (default: standard output).")
]


class Format(str, Enum):
    """What a run can be exported as."""

    CSV = "csv"
    LATEX = "latex"
    OPTUNA = "optuna"
    CONFIGSPACE = "configspace"


class Row(str, Enum):
    """What a row of a table is."""

    TRIAL = "trial"
    CANDIDATE = "candidate"
    RANK = "rank"
    ROC = "roc"
    PRECISION_RECALL = "precision-recall"


def add_to(app: typer.Typer) -> None:
    """Let an app have these verbs."""
    for verb in (init, schema, spaces, export):
        app.command()(verb)
    app.command("import")(import_)


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
        raise _not_written(output, error) from None
    typer.echo(f"{output} written; type raygen generate --config {output}", err=True)


def schema() -> None:
    """Print the JSON Schema of the YAML, for editors."""
    from raygen.config.reference import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


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


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run, or a YAML file.")],
    format_: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.CSV,
    per: Annotated[
        Row | None,
        typer.Option("--per", help="Rows of a table (default: candidate if trials repeat)."),
    ] = None,
    output: _Output = None,
) -> None:
    """Write a run as a table or an Optuna study, or its space for ConfigSpace."""
    if per is not None and format_ not in (Format.CSV, Format.LATEX):
        must = f"only the tables csv and latex have rows, {format_.value} has none"
        raise ConfigError(f"{per.value} given", where="--per", must=must, remedy="remove it")
    if format_ is Format.OPTUNA:
        _export_study(run, output)
    elif format_ is Format.CONFIGSPACE:
        from raygen.interchange.configspace import space_to_configspace

        _write(space_to_configspace(_space_of(run)), output)
    else:
        _write(_table(run, format_, per), output)


def import_(
    source: Annotated[
        str,
        typer.Argument(
            help="A ConfigSpace JSON file, an Optuna storage, or the folder of a run or experiment."
        ),
    ],
    top: Annotated[int, typer.Option("--top", min=1, help="Candidates to write.")] = 10,
    output: _Output = None,
) -> None:
    """Write as YAML what others have: a space's parameters, or their best candidates."""
    if _is_configspace(Path(source)):
        from raygen.interchange.configspace import space_from_configspace

        _write(space_from_configspace(source), output)
    else:
        _write(_start_from(source, top), output)


def _table(run: Path, format_: Format, per: Row | None) -> str:
    from raygen.interchange.tables import (
        board_table,
        cells_table,
        curve_table,
        runs_table,
        to_csv,
        to_latex,
    )
    from raygen.outcome import read_leaderboard
    from raygen.runs.board import no_run
    from raygen.runs.paths import RunPaths
    from raygen.runs.records import History

    paths = RunPaths(run)
    if not paths.journal.is_file():
        raise no_run(run)
    history = History.read(paths.journal)
    repeats = any(trial.repeat for trial in history.trials.values())
    cells = per is Row.CANDIDATE if per is not None else repeats
    if per in (Row.ROC, Row.PRECISION_RECALL):
        rows = curve_table(read_leaderboard(paths), per.value)
    elif per is Row.RANK:
        rows = board_table(read_leaderboard(paths))
    else:
        rows = cells_table(history) if cells else runs_table(history)
    return to_csv(rows) if format_ is Format.CSV else to_latex(rows)


def _export_study(run: Path, output: str | None) -> None:
    from raygen.interchange.optuna_study import run_to_optuna

    storage = output or str(run / "optuna.db")
    storage = storage if "://" in storage else f"sqlite:///{storage}"
    study = run_to_optuna(run, storage)
    typer.echo(f"study {study} written; type optuna-dashboard {storage}", err=True)


def _space_of(run: Path) -> Space:
    from raygen.config.load import load_experiment
    from raygen.kinds import kind_of
    from raygen.runs.paths import RunPaths

    experiment = load_experiment(run if run.is_file() else RunPaths(run).config)
    return kind_of(experiment).space(experiment)


def _is_configspace(path: Path) -> bool:
    if path.suffix != ".json" or not path.is_file():
        return False
    try:
        stored = json.loads(path.read_bytes())
    except ValueError:
        return True  # and refused as such
    return isinstance(stored, dict) and "hyperparameters" in stored


def _start_from(source: str, top: int) -> str:
    """The best candidates of a source, as a config has them below ``search``."""
    import yaml

    from raygen.interchange.known import read_candidates

    known = read_candidates(source)
    scored = [each for each in known if each.score is not None]
    scored.sort(key=lambda each: (each.score or 0.0) * (-1 if each.mode == "max" else 1))
    best: list[dict[str, Any]] = []
    for each in scored or known:
        if dict(each.values) not in best and len(best) < top:  # repeats are one candidate
            best.append(dict(each.values))
    text: str = yaml.safe_dump(
        {"search": {"start_from": best}}, sort_keys=False, default_flow_style=None, width=100
    )
    return text


def _write(text: str, output: str | None) -> None:
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise _not_written(output, error) from None
    typer.echo(f"{output} written", err=True)


def _not_written(output: object, error: OSError) -> ConfigError:
    told = f"cannot be written: {error.strerror}"
    return ConfigError(told, where=str(output), remedy="type --output OTHER")
