"""Every file name that RayGen writes, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


def turn_of(checkpoint: Path) -> Path:
    """Which process does the training that saves there."""
    return checkpoint.with_name(checkpoint.name.replace("checkpoint", "turn", 1))


@dataclass(frozen=True)
class TrialPaths:
    """The files of one trial: ``trials/<id>/``."""

    folder: Path

    @property
    def model(self) -> Path:
        """The program that is trained."""
        return self.folder / "model.py"

    @property
    def log(self) -> Path:
        """What the program printed; folds that run at the same time are mixed."""
        return self.folder / "log.txt"

    def checkpoint(self, fold: int | None) -> Path:
        """The newest checkpoint of a fold (None: of the fit on all training rows)."""
        return self.folder / f"checkpoint-{'all' if fold is None else fold}"

    def turn(self, fold: int | None) -> Path:
        """Which process trains a fold (None: all training rows)."""
        return turn_of(self.checkpoint(fold))

    def waits(self, fold: int | None) -> Path:
        """There while the processes that train a fold together have no room."""
        return self.folder / f"waits-{'all' if fold is None else fold}"

    @property
    def is_waiting(self) -> bool:
        """Whether a group of it has no room."""
        return bool(self._all("waits-*"))

    def out_of_fold(self, fold: int) -> Path:
        """What it predicted of a fold's held-out rows after its last epoch."""
        return self.folder / "out-of-fold" / f"{fold}.npz"

    def milestone(self, epoch: int) -> Path:
        """The checkpoint of fold 0 after an epoch, kept for other trials to go on from."""
        return self.folder / f"milestone-{epoch}"

    @property
    def milestones(self) -> list[Path]:
        """All of them, oldest first."""
        return self._by_epoch("milestone-")

    def kept(self, epoch: int) -> Path:
        """The checkpoint after an epoch of the fit on all training rows, kept for the user."""
        return self.folder / f"kept-{epoch}"

    @property
    def all_kept(self) -> list[Path]:
        """All of them, oldest first."""
        return self._by_epoch("kept-")

    def move(self, number: int) -> Path:
        """What a trial begins anew with at the run's exploit of a number, until it is in place."""
        return self.folder / f"move-{number}"

    @property
    def moves(self) -> list[Path]:
        """All of them, half-written ones included."""
        return self._all("move-*")

    @property
    def leftovers(self) -> list[Path]:
        """What is of no use when the trial is over: checkpoints of fold 0, milestones, moves."""
        return [
            path
            for kind in ("checkpoint-0", "checkpoint-0.*", "milestone-*", "move-*")
            for path in self._all(kind)
        ]

    def _by_epoch(self, name: str) -> list[Path]:
        named = {path.name.removeprefix(name): path for path in self._all(f"{name}*")}
        return [named[epoch] for epoch in sorted(filter(str.isdecimal, named), key=int)]

    def _all(self, pattern: str) -> list[Path]:
        return list(self.folder.glob(pattern))


@dataclass(frozen=True)
class RunPaths:
    """The files of one run: ``runs/<name>/``."""

    folder: Path

    @property
    def config(self) -> Path:
        """The complete config."""
        return self.folder / "config.yaml"

    @property
    def journal(self) -> Path:
        """What happened, one JSON line an event."""
        return self.folder / "journal.jsonl"

    @property
    def reserve(self) -> Path:
        """Room on the disk for the journal's last lines, should nothing else be left."""
        return self.folder / ".reserve"

    @property
    def lock(self) -> Path:
        """Held by the process that works on the run."""
        return self.folder / ".lock"

    @property
    def leaderboard(self) -> Path:
        """The ranked candidates and the winner's test score."""
        return self.folder / "leaderboard.json"

    @property
    def picture(self) -> Path:
        """The run at a glance."""
        return self.folder / "report.png"

    @property
    def plots(self) -> Path:
        """The pictures of the search, drawn when they are asked for."""
        return self.folder / "plots"

    @property
    def best(self) -> Path:
        """The winner: ``model.py`` and its weights."""
        return self.folder / "best"

    @property
    def ticket(self) -> Path:
        """Where the run was submitted to."""
        return self.folder / "launch" / "ticket.json"

    @property
    def job_text(self) -> Path:
        """What the cluster was given: a batch script, or manifests."""
        return self.folder / "launch" / "job.txt"

    @property
    def job_log(self) -> Path:
        """What the job prints."""
        return self.folder / "launch" / "log.txt"

    @property
    def job_code(self) -> Path:
        """On a cluster, what was shipped: the folder of the config."""
        return self.folder / "launch" / "code"

    @property
    def up_log(self) -> Path:
        """What ``ray up`` printed."""
        return self.folder / "launch" / "up.txt"

    @property
    def tune(self) -> Path:
        """Scratch space of Ray Tune; nothing is ever read back from it."""
        return self.folder / ".tune"

    @property
    def ensemble(self) -> Path:
        """The program of those that predict best together."""
        return self.best / "ensemble.py"

    @property
    def ensemble_weights(self) -> Path:
        """A folder of weights for each of its networks."""
        return self.best / "ensemble-weights"

    @property
    def nested(self) -> Path:
        """A run for each outer fold of a nested cross-validation."""
        return self.folder / "nested"

    @property
    def copying(self) -> Path:
        """The checkpoint that is on its way to the storage, as it was when that began."""
        return self.folder / ".copying"

    @property
    def trials(self) -> Path:
        """A folder for each trial."""
        return self.folder / "trials"

    def trial(self, trial_id: str) -> TrialPaths:
        """The files of one trial."""
        return TrialPaths(self.trials / trial_id)
