"""An Optuna study as known candidates, and a RayGen run as an Optuna study."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raygen.config.load import load_experiment
from raygen.config.space import Choice, Domain, Float, Space
from raygen.config.spaces import space_of
from raygen.errors import ConfigError, EnvironmentProblem, RunError
from raygen.interchange.known import KnownCandidate
from raygen.runs.paths import RunPaths
from raygen.runs.records import History, State, TrialRecord

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_PLAIN = (bool, int, float, str)


def study_candidates(storage: str, *, study: str | None = None) -> list[KnownCandidate]:
    """Read the complete trials of a study; of several objectives the first is the score.

    Args:
        storage: A URL such as ``sqlite:///study.db``, the file of an SQLite storage, or that of a
            ``JournalStorage``.
        study: Its name, if the storage has several.

    Raises:
        ConfigError: There is no such study.
        EnvironmentProblem: Optuna is not installed.
    """
    optuna = _optuna()
    opened = _existing(storage)
    names = optuna.get_all_study_names(opened)
    if study is None and len(names) == 1:
        study = names[0]
    if study not in names:
        known = f"one of {', '.join(names)}" if names else "in the storage, which has none"
        raise ConfigError(
            f"study {study!r} given" if study else f"{len(names)} studies found",
            where=storage,
            must=f"the study must be {known}",
            remedy=f"write {storage}#{names[0]}" if names else "",
        )
    loaded = optuna.load_study(study_name=study, storage=opened)
    lower = loaded.directions[0] == optuna.study.StudyDirection.MINIMIZE
    return [
        KnownCandidate(_plain(trial.params), float(trial.values[0]), "min" if lower else "max")
        for trial in loaded.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    ]


def run_to_optuna(
    run_folder: str | Path,
    storage_url: str,
    *,
    study_name: str | None = None,
    space: Space | None = None,
) -> str:
    """Write a run into a new Optuna study, so that Optuna's plots and dashboard can show it.

    Trials trained to their end are complete; of a single objective those ended early are pruned,
    with their epochs as intermediate values; the others failed, with the error as an attribute.

    Args:
        run_folder: ``runs/<name>``.
        storage_url: For example ``sqlite:///study.db``; made if it is not there.
        study_name: By default the name of the run.
        space: Whose ranges become the distributions; by default that of the run's config.

    Returns:
        The study's name.

    Raises:
        RunError: The folder holds no run, or the storage has a study of the name already.
        EnvironmentProblem: Optuna is not installed.
    """
    paths = RunPaths(Path(run_folder))
    if not paths.journal.is_file():
        raise RunError("no journal found", where=str(run_folder), must="it must be a run's folder")
    optuna, history = _optuna(), History.read(paths.journal)
    if space is None:
        space = space_of(load_experiment(paths.config), default="")
    distributions = {each.name: _distribution(each.domain) for each in space.parameters}
    modes = [each.mode for each in history.objectives] or [history.mode]
    try:
        study = optuna.create_study(
            storage=_storage(storage_url),
            study_name=study_name or Path(run_folder).resolve().name,
            directions=["maximize" if mode == "max" else "minimize" for mode in modes],
        )
    except optuna.exceptions.DuplicatedStudyError:
        raise RunError(
            f"a study {study_name or Path(run_folder).resolve().name!r} is there already",
            where=storage_url,
            must="the name must be new",
            remedy="give another name, or another storage",
        ) from None
    objectives = [each.name for each in history.objectives] or [history.metric]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(objectives)
    study.add_trials(
        [
            _frozen(trial, history, distributions)
            for trial in history.trials.values()
            if trial.state.is_over()
        ]
    )
    return str(study.study_name)


def _frozen(
    trial: TrialRecord, history: History, distributions: Mapping[str, BaseDistribution]
) -> FrozenTrial:
    """One trial as Optuna keeps it; its own names stand among the user attributes."""
    optuna = _optuna()
    single = len(history.objectives) < 2
    state, values = optuna.trial.TrialState.FAIL, None
    if trial.is_scored():
        pruned = trial.state is State.STOPPED and single
        state = optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.COMPLETE
        values = _values(trial, history)
    frozen: FrozenTrial = optuna.trial.create_trial(
        state=state,
        values=values,
        params=dict(trial.values),
        distributions={name: distributions[name] for name in trial.values},
        intermediate_values=dict(enumerate(trial.curve, start=1)) if single else {},
        user_attrs={
            "trial_id": trial.trial_id,
            "candidate": trial.candidate,
            "state": trial.state.value,
            "epoch": trial.epoch,
            "num_parameters": trial.num_parameters,
            "seconds": trial.seconds,
            "error": trial.error,
        },
    )
    if trial.began and trial.ended:
        frozen.datetime_start = datetime.fromtimestamp(trial.began)
        frozen.datetime_complete = datetime.fromtimestamp(trial.ended)
    return frozen


def _values(trial: TrialRecord, history: History) -> list[float]:
    if not history.objectives:
        return [trial.curve[-1]]
    scores = history.scores(trial)
    assert scores is not None, "only scored trials have values"
    return [each.sign * score for each, score in zip(history.objectives, scores, strict=True)]


def _distribution(domain: Domain) -> BaseDistribution:
    from optuna import distributions

    if isinstance(domain, Choice):
        return distributions.CategoricalDistribution(domain.options)
    if isinstance(domain, Float):
        high = domain.high if domain.size is None else domain.grid(2)[-1]
        return distributions.FloatDistribution(domain.low, high, log=domain.log, step=domain.step)
    high = domain.low + (domain.size - 1) * domain.step
    return distributions.IntDistribution(domain.low, high, log=domain.log, step=domain.step)


def _existing(storage: str) -> Any:
    """Open a storage that must be there: Optuna would make an empty one."""
    url = storage if "://" in storage else ""
    file = Path(url.removeprefix("sqlite:///") if url else storage)
    if url.startswith("sqlite:///") and not file.is_file():
        raise ConfigError(f"{storage!r} given", must=f"there must be a file {file}")
    if url or file.suffix not in (".log", ".journal"):
        return _storage(url or f"sqlite:///{file}")
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(file)))


def _storage(url: str) -> Any:
    """Open a storage by its URL, or make it."""
    optuna = _optuna()
    try:
        return optuna.storages.get_storage(url)
    except Exception as error:  # of SQLAlchemy or of a database's driver, whichever there is
        problem = str(error).strip().splitlines()[0]
        must = "it must be a storage of Optuna, for example sqlite:///study.db"
        raise ConfigError(problem, where=url, must=must) from error


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if isinstance(value, _PLAIN)}


def _optuna() -> Any:
    try:
        import optuna  # an optional package
    except ModuleNotFoundError as error:
        remedy = "type pip install optuna"
        raise EnvironmentProblem("Optuna is not installed", remedy=remedy) from error
    return optuna
