"""The table of schedulers: who ends a weak trial early."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler


class FiniteASHA(AsyncHyperBandScheduler):  # type: ignore[misc]  # Ray has no types
    """Ray's ASHA (Li et al. 2020, arXiv 1810.05934) that lets no NaN through.

    In Ray's own, a NaN compares false with every cutoff, so the trial goes on to the last rung
    and its NaN enters the cutoffs of the others. Here a trial that failed leaves no trace.
    """

    def recall(self, trial_id: str, rewards: Sequence[float]) -> None:
        """Put a trial of an earlier session into the rungs it reached; higher is better."""
        trial = SimpleNamespace(trial_id=trial_id)
        for epoch, reward in enumerate(rewards, start=1):
            self._brackets[0].on_result(trial, epoch, reward)

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Stop what has failed, and let Ray decide on the rest."""
        if not math.isfinite(result[self._metric]):
            return str(TrialScheduler.STOP)
        return str(super().on_trial_result(controller, trial, result))

    def on_trial_complete(self, controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Forget what has failed."""
        if math.isfinite(result.get(self._metric, math.nan)):
            super().on_trial_complete(controller, trial, result)
        else:
            self._trial_info.pop(trial.trial_id, None)


def _asha(max_epochs: int) -> TrialScheduler:
    """Rungs at a ninth and a third of the epochs; the better third goes on."""
    return FiniteASHA(
        time_attr="epoch",
        max_t=max_epochs,
        grace_period=math.ceil(max_epochs / 9),  # rounded down, there would be a third rung
        reduction_factor=3,
    )


SCHEDULERS: Mapping[str, Callable[[int], TrialScheduler]] = {
    "fifo": lambda _: FIFOScheduler(),
    "asha": _asha,
}
"""Name in the YAML to a function of the most epochs of a trial."""


def keep_warm(scheduler: TrialScheduler, slots: int) -> TrialScheduler:
    """Have Ray Tune keep the worker of every slot when its trial ends.

    Left to itself, Tune keeps an ended trial's actor only for a trial that is staged already,
    which a searcher that waits for results never has more than one of; it then throws warm
    workers away and spends seconds on new ones (4 against 22 trials a second). Schedulers are
    handed the controller, and its cache can be told to hold more.
    """
    on_trial_add = scheduler.on_trial_add
    raised: list[bool] = []

    def add(controller: Any, trial: Trial) -> None:
        if not raised:
            controller._actor_cache.increase_max(trial.placement_group_factory, by=slots)
            raised.append(True)
        on_trial_add(controller, trial)

    scheduler.on_trial_add = add
    return scheduler
