"""What every scheduler is told of its search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from raygen.config.space import Parameter, Space, Value

if TYPE_CHECKING:  # the table of schedulers is read where Ray is not to be loaded
    from ray.tune.experiment import Trial


class Mover(Protocol):
    """Lets a trial go on from another one's checkpoint with values of its own."""

    def __call__(
        self, recipient: Trial, donor: Trial, epoch: int, values: dict[str, Value]
    ) -> dict[str, Any] | None:
        """Do all of the move, or nothing.

        Args:
            recipient: The trial that gives up what it has learnt.
            donor: The trial whose checkpoint it goes on from.
            epoch: After which that checkpoint was saved; not before the recipient's own epoch.
            values: What the recipient goes on with: active values of the space.

        Returns:
            The recipient's new Tune config; None if there is no such checkpoint.
        """


@dataclass(frozen=True, kw_only=True)
class SchedulerTerms:
    """What is known of a search before it begins, and the hooks into the run."""

    space: Space
    max_epochs: int
    """Epochs of a trial that nobody ends early."""
    mode: Literal["min", "max"] = "max"
    """Whether a higher or a lower ``result["score"]`` is better."""
    objectives: int = 1
    """If more than one, ``result["scores"]`` has one number for each; higher is better in all."""
    seed: int = 0
    workers: int = 1
    """Trials that run at a time."""
    trials: int | None = None
    """Budget in trials; the population of PBT and PB2."""
    values_of: Callable[[Trial], Mapping[str, Value]] = lambda trial: trial.config["values"]
    """The active values that a Tune trial trains with now."""
    move: Mover | None = None
    """Needed by those that mutate."""
    mutable: tuple[str, ...] | None = None
    """Parameters that can change while a trial trains; None for all that change only training."""
    more: Callable[[], bool] = lambda: False
    """Whether candidates that are not known yet may still be proposed."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the scheduler beside its defaults."""

    @property
    def sign(self) -> float:
        """What a score is multiplied by so that higher is better."""
        return 1.0 if self.mode == "max" else -1.0

    def mutable_parameters(self) -> tuple[Parameter, ...]:
        """The parameters that can change while a trial trains; no condition hangs on them."""
        parents = {each.when.parameter for each in self.space.parameters if each.when is not None}
        return tuple(
            each
            for each in self.space.parameters
            if each.name not in parents
            and (each.changes == "training" if self.mutable is None else each.name in self.mutable)
        )


def name_of(trial: Trial) -> str:
    """The trial's number in the journal, which it keeps from session to session."""
    return str(trial.config["trial_id"])
