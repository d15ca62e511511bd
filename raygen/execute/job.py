"""One training of one model.py: what is asked for, and what is told back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raygen.runs.records import State
from raygen.tasks.task import Objective


@dataclass(frozen=True, kw_only=True)
class Job:
    """Train the program of a folder outside one fold."""

    model: str
    """Path of the model.py."""
    data: str
    """Folder with the arrays as memory-mapped files."""
    fold: int | None
    """None: train on all training rows, then score the test rows."""
    epochs: int
    metric: str
    checkpoint: str
    """Folder to go on from if it exists, and to save to."""
    log: str
    """File for what the program prints."""
    weights: str = ""
    """Folder to leave the trained weights in, after the test rows are scored; empty for none."""
    tested: str = ""
    """File for the predictions of the test rows; empty for none."""
    out_of_fold: str = ""
    """File for the predictions of the held-out rows after the last epoch; empty for none."""
    memory_gb: float | None = None
    hang_timeout_s: float = 600.0
    reported: int = 0
    """Epochs that the driver has heard of; they are not told again."""
    milestones: tuple[int, ...] = ()
    """Epochs after which it saves a checkpoint, and waits until it is told to go on."""
    kept: bool = False
    """Whether the checkpoints of its newest milestones are kept for other trials."""
    seed: int = 0
    """What is added to the program's SEED when its rows are dealt already."""
    keep_checkpoints: int = 0
    """Of so many newest epochs the checkpoints stay, for the user; each epoch then saves one."""
    halvings: int = 0
    """How often the program's micro-batch is halved, after its group was out of memory."""
    folds: int = 0
    """Of a trial that is scored by the mean over so many; 0 of one that has its own fold alone."""
    objectives: tuple[Objective, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)
    """What is known of the program without training it."""

    @property
    def tests(self) -> bool:
        """Whether the test rows are scored when it is trained."""
        return self.fold is None or bool(self.tested)

    def scores(self, message: Message) -> tuple[float, ...]:
        """The objectives after an epoch, higher being better in all of them."""
        found = {**self.measures, "seconds": message.seconds, **message.metrics}
        return tuple(each.sign * float(found[each.name]) for each in self.objectives)


@dataclass(frozen=True, kw_only=True)
class Message:
    """One sign of life of a job; its last one has a state that is over."""

    state: State
    epoch: int = 0
    metrics: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    """Training time of this and of earlier attempts."""
    error: str = ""
    """The user's own traceback line, and the exception."""
    fold: Message | None = None
    """Of a mean over folds: the last one of its newest fold. ``epoch`` then counts folds."""
