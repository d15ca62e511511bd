from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raygen.config.space import Choice, Condition, Float, Int, Parameter, Space
from raygen.errors import ConfigError, RunError
from raygen.interchange.known import KnownCandidate, read_candidates
from raygen.interchange.optuna_study import run_to_optuna
from raygen.runs.journal import Journal
from raygen.runs.paths import RunPaths

optuna = pytest.importorskip("optuna")

SPACE = Space(
    "small",
    (),
    parameters=(
        Parameter("optimizer", Choice(("adamw", "sgd"))),
        Parameter("momentum", Float(0.5, 0.95, step=0.1), when=Condition("optimizer", ("sgd",))),
        Parameter("units", Int(8, 60, step=8)),
        Parameter("rate", Float(1e-4, 1e-1, log=True)),
    ),
)
CONFIG = """
task: {name: ImageClassification, dataset: {name: digits}}
model:
  layers: [flatten, dense: {units: $units}]
  parameters:
    units: {int: [8, 64]}
"""


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def objective(trial: Any) -> float:
    """Fails once, is pruned once, else scores the width."""
    units = trial.suggest_int("units", 8, 64, step=8)
    trial.suggest_categorical("optimizer", ["adamw", "sgd"])
    if trial.number == 1:
        raise ValueError("boom")
    if trial.number == 2:
        trial.report(1.0, 1)
        raise optuna.TrialPruned
    return float(units)


def made_study(storage: Any, name: str = "theirs", direction: str = "minimize") -> Any:
    """A study with five trials, three of them complete."""
    study = optuna.create_study(storage=storage, study_name=name, direction=direction)
    study.optimize(objective, n_trials=5, catch=ValueError)
    return study


def run_of(folder: Path, *, objectives: tuple[dict[str, str], ...] = ()) -> Path:
    """A run with a finished, a stopped, a failed and a running trial."""
    journal = Journal(RunPaths(folder).journal)
    journal.append("begin", metric="accuracy", data_sha="1", objectives=objectives)
    values: list[dict[str, Any]] = [
        {"optimizer": "sgd", "momentum": 0.9, "units": 16, "rate": 0.01},
        {"optimizer": "adamw", "units": 56, "rate": 0.1},
        {"optimizer": "adamw", "units": 8, "rate": 0.001},
        {"optimizer": "adamw", "units": 8, "rate": 0.002},
    ]
    for number, (each, state) in enumerate(
        zip(values, ("finished", "stopped", "nan", ""), strict=True)
    ):
        fields: dict[str, Any] = {"trial_id": f"{number:05d}"}
        sha = {"candidate": str(number), "source_sha": "0", "num_parameters": 9 + number}
        journal.append("trial", values=each, **sha, **fields)
        for epoch in range(1, 3 - (state == "stopped")):
            metrics = {"accuracy": 0.25 * epoch}
            journal.append("report", epoch=epoch, metrics=metrics, seconds=1.0, **fields)
        if state:
            failed = {"error": "loss is nan"} if state == "nan" else {}
            journal.append("end", state=state, **failed, **fields)
    journal.close()
    return folder


@pytest.mark.parametrize("kind", ["url", "file", "journal"])
def test_a_study_is_read_from_every_storage(tmp_path: Path, kind: str) -> None:
    """Complete trials with their values, scores and direction, by URL, by file, from a journal."""
    file = tmp_path / ("study.log" if kind == "journal" else "study.db")
    storage = f"sqlite:///{file}"
    if kind == "journal":
        backend = optuna.storages.journal.JournalFileBackend(str(file))
        storage = optuna.storages.JournalStorage(backend)
    study = made_study(storage)

    known = read_candidates(storage if kind == "url" else file)

    complete = [study.trials[index] for index in (0, 3, 4)]
    assert known == [KnownCandidate(each.params, each.value, "min") for each in complete]


def test_one_of_several_studies_is_named(tmp_path: Path) -> None:
    """Without a name the line lists them; with one the study of the name is read."""
    url = f"sqlite:///{tmp_path / 'study.db'}"
    made_study(url, "one")
    made_study(url, "other", "maximize")

    with pytest.raises(ConfigError, match="2 studies found; the study must be one of one, other"):
        read_candidates(url)
    with pytest.raises(ConfigError, match="'third' given"):
        read_candidates(f"{url}#third")
    assert {each.mode for each in read_candidates(f"{url}#other")} == {"max"}


def test_an_absent_storage_is_refused_and_not_made(tmp_path: Path) -> None:
    """Reading must not leave an empty database behind."""
    with pytest.raises(ConfigError, match="there must be a file"):
        read_candidates(f"sqlite:///{tmp_path / 'absent.db'}")

    assert list(tmp_path.iterdir()) == []


def test_a_run_becomes_a_study(tmp_path: Path) -> None:
    """States, values, epochs, ranges and errors are there for Optuna's own tools."""
    folder, url = run_of(tmp_path / "mine"), f"sqlite:///{tmp_path / 'study.db'}"

    name = run_to_optuna(folder, url, space=SPACE)

    study = optuna.load_study(study_name=name, storage=url)
    first, second, third = study.trials
    state = optuna.trial.TrialState
    assert (name, study.direction.name, study.metric_names) == ("mine", "MAXIMIZE", ["accuracy"])
    assert [each.state for each in study.trials] == [state.COMPLETE, state.PRUNED, state.FAIL]
    assert first.params == {"optimizer": "sgd", "momentum": 0.9, "units": 16, "rate": 0.01}
    assert (first.value, first.intermediate_values) == (0.5, {1: 0.25, 2: 0.5})
    assert second.intermediate_values == {1: 0.25}
    assert third.user_attrs["error"] == "loss is nan"
    assert first.distributions["rate"] == optuna.distributions.FloatDistribution(
        1e-4, 1e-1, log=True
    )
    assert first.distributions["units"].high == 56
    assert study.best_trial.user_attrs["trial_id"] == "00000"


def test_a_run_comes_back_from_its_study(tmp_path: Path) -> None:
    """Its complete trials are known candidates of the study, with the run's direction."""
    folder, url = run_of(tmp_path / "mine"), f"sqlite:///{tmp_path / 'study.db'}"
    run_to_optuna(folder, url, space=SPACE, study_name="other")

    (known,) = read_candidates(url)

    assert known == KnownCandidate(
        {"optimizer": "sgd", "momentum": 0.9, "units": 16, "rate": 0.01}, 0.5, "max"
    )


def test_several_objectives_become_a_front(tmp_path: Path) -> None:
    """Each objective keeps its direction and sign, so that the front is the run's."""
    objectives = (
        {"name": "accuracy", "mode": "max"},
        {"name": "num_parameters", "mode": "min"},
    )
    folder = run_of(tmp_path / "mine", objectives=objectives)
    url = f"sqlite:///{tmp_path / 'study.db'}"

    study = optuna.load_study(study_name=run_to_optuna(folder, url, space=SPACE), storage=url)

    assert [each.name for each in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert [each.values for each in study.trials[:2]] == [[0.5, 9.0], [0.25, 10.0]]
    assert [each.number for each in study.best_trials] == [0]


def test_the_space_is_that_of_the_runs_config(tmp_path: Path) -> None:
    """Without a space the ranges come from the run's own config."""
    folder, url = tmp_path / "mine", f"sqlite:///{tmp_path / 'study.db'}"
    journal = Journal(RunPaths(folder).journal)
    RunPaths(folder).config.write_text(CONFIG)
    journal.append("begin", metric="accuracy", data_sha="1")
    sha = {"candidate": "1", "source_sha": "0", "num_parameters": 9}
    journal.append("trial", trial_id="00000", values={"units": 16}, **sha)
    journal.append("end", trial_id="00000", state="lost")
    journal.close()

    study = optuna.load_study(study_name=run_to_optuna(folder, url), storage=url)

    ranges = study.trials[0].distributions
    assert ranges == {"units": optuna.distributions.IntDistribution(8, 64)}


def test_a_study_is_not_written_twice(tmp_path: Path) -> None:
    """Neither a folder without a run nor a name that is taken is written over."""
    folder, url = run_of(tmp_path / "mine"), f"sqlite:///{tmp_path / 'study.db'}"
    run_to_optuna(folder, url, space=SPACE)

    with pytest.raises(RunError, match="'mine' is there already"):
        run_to_optuna(folder, url, space=SPACE)
    with pytest.raises(RunError, match="no journal found"):
        run_to_optuna(tmp_path, url)
