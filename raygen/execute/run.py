"""One execution of an experiment: what its steps share while it lasts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raygen.config.schema import Experiment
from raygen.execute.arrays import map_arrays, share_arrays
from raygen.execute.disk import disk_full
from raygen.execute.job import Job, Message
from raygen.execute.reading import Reading
from raygen.execute.room import Room
from raygen.execute.session import Interruption
from raygen.runs.journal import Journal
from raygen.runs.paths import RunPaths, turn_of
from raygen.runs.records import History
from raygen.source.blueprint import AnyBlueprint

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class Group:
    """How several processes train a trial together."""

    workers: tuple[int, int]
    """The fewest and the most of them."""
    cpus: int
    """Of each."""
    gpus: float
    """Of each."""
    framework: str
    retries: int
    """How often a group one of whose processes died is started again."""
    arrays: Any
    """The data set in Ray's object store, or how it is read."""


@dataclass(frozen=True)
class Worker:
    """What every warm worker of a run needs."""

    data_key: str
    """Fingerprint of the arrays."""
    preload: tuple[str, ...]
    """Packages that a model.py of this run imports."""
    threads: int
    gpus: float
    group: Group | None = None
    """None where one process trains a trial."""
    folder: str = ""
    """Of the run, which its node must see; empty where that is known."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """The run that is going on."""

    experiment: Experiment
    blueprint: AnyBlueprint
    paths: RunPaths
    journal: Journal
    history: History
    """What the journal says; ``record`` keeps it up to date."""
    arrays: Any
    """The data set in Ray's object store, or how each node reads it."""
    worker: Worker
    places: Room
    """Knows how many trials run at a time."""
    interruption: Interruption
    show: Callable[[History], None]
    """Called after each event."""
    say: Callable[[str], None]
    """Shows a line that is of no event."""

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """Leave nothing of it in what Ray Tune pickles for a restore; the journal does that."""
        return (object, ())

    @property
    def room(self) -> int:
        """Trials that run at a time, as the cluster is at this moment."""
        return self.places.now()

    def rows(self) -> Mapping[str, np.ndarray]:
        """The data set, in the memory that all processes of this node share."""
        if isinstance(self.arrays, Reading):
            return map_arrays(share_arrays(self.arrays, self.worker.data_key))
        import ray

        found: dict[str, np.ndarray] = ray.get(self.arrays)
        return found

    def record(self, event: str, **fields: Any) -> None:
        """Write an event into the journal, take it into the history, and show it."""
        self.history.take(self.journal.append(event, **fields))
        if self.journal.is_tight:
            self.interruption.ask(disk_full(self.paths.folder))
        self.show(self.history)

    def record_fold(self, trial_id: str, fold: int, message: Message) -> None:
        """Write down how a fold has ended, and let go of what it has saved."""
        self.record(
            "fold",
            trial_id=trial_id,
            fold=fold,
            state=message.state.value,
            metrics=dict(message.metrics),
            epochs=message.epoch,
            seconds=message.seconds,
            error=message.error,
        )
        self.forget_checkpoint(trial_id, fold)

    def forget_checkpoint(self, trial_id: str, fold: int | None) -> None:
        """Remove what a job that is over has saved, drafts of a killed child included.

        With the search's own fold goes all that was kept for other trials.
        """
        paths = self.paths.trial(trial_id)
        paths.turn(fold).unlink(missing_ok=True)  # first: whoever still trains saves no more
        paths.waits(fold).unlink(missing_ok=True)
        newest = paths.checkpoint(fold)
        kept = [newest, *newest.parent.glob(f"{newest.name}.*")]
        for folder in kept if fold != 0 else paths.leftovers:
            shutil.rmtree(folder, ignore_errors=True)

    def forget_job(self, job: Job) -> None:
        """Remove what a training beside those of the folds has saved, now that it is over."""
        checkpoint = Path(job.checkpoint)
        turn_of(checkpoint).unlink(missing_ok=True)
        for folder in (checkpoint, *checkpoint.parent.glob(f"{checkpoint.name}.*")):
            shutil.rmtree(folder, ignore_errors=True)

    def forget_checkpoints(self) -> None:
        """Remove what children saved after their trial was over.

        A child is an epoch ahead of the scheduler; it may save between the decision to stop it
        and its end.
        """
        for trial in self.history.trials.values():
            if trial.state.is_over():
                self.forget_checkpoint(trial.trial_id, 0)

    def job(self, trial_id: str, *, fold: int | None) -> Job:
        """The training of a trial's program outside a fold; the worker fills in ``data``."""
        paths = self.paths.trial(trial_id)
        return Job(
            model=str(paths.model),
            data="",
            fold=fold,
            epochs=self.experiment.search.max_epochs,
            metric=self.blueprint.metric,
            checkpoint=str(paths.checkpoint(fold)),
            log=str(paths.log),
            out_of_fold="" if fold is None else str(paths.out_of_fold(fold)),
            weights=str(self.paths.best / "weights") if fold is None else "",
            keep_checkpoints=self.experiment.resources.keep_checkpoints if fold is None else 0,
            memory_gb=self.experiment.resources.memory_gb_per_trial,
            hang_timeout_s=self.experiment.search.hang_timeout,
            objectives=self.blueprint.objectives,
            measures=self.history.trials[trial_id].measures,
        )
