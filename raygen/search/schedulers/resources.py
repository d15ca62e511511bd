"""Gives the survivors what ended trials leave free, once nobody else will ask for it."""

from __future__ import annotations

from typing import Any

from ray.tune.execution.placement_groups import PlacementGroupFactory
from ray.tune.experiment import Trial
from ray.tune.schedulers import ResourceChangingScheduler, TrialScheduler
from ray.tune.schedulers.resource_changing_scheduler import DistributeResources

from raygen.search.schedulers.asha import FiniteASHA
from raygen.search.schedulers.rungs import tenths
from raygen.search.schedulers.terms import SchedulerTerms


def resources(terms: SchedulerTerms) -> TrialScheduler:
    """Ray's ResourceChangingScheduler around asha."""
    return GrowingASHA(terms)


class GrowingASHA(ResourceChangingScheduler):  # type: ignore[misc]  # Ray has no types
    """Stops as asha does; in the tail of a search its survivors share all CPUs and GPUs.

    A trial is paused for it, so it happens only after epochs whose checkpoint is held.
    """

    def __init__(self, terms: SchedulerTerms) -> None:
        super().__init__(FiniteASHA(terms), _ShareAmongLast(terms))

    def recall(self, trial_id: str, rewards: Any, *, over: bool = True) -> None:
        """As asha does."""
        self._base_scheduler.recall(trial_id, rewards, over=over)

    def on_trial_error(self, controller: Any, trial: Trial, **kwargs: Any) -> None:
        """Forget what was planned for it."""
        self._trials_to_reallocate.pop(trial, None)
        super().on_trial_error(controller, trial, **kwargs)


class _ShareAmongLast(DistributeResources):  # type: ignore[misc]  # Ray has no types
    """Ray's even distribution, when no new trial will come and the trial can be paused."""

    def __init__(self, terms: SchedulerTerms) -> None:
        super().__init__()
        self._terms, self._milestones = terms, frozenset(tenths(terms))

    def __call__(
        self, controller: Any, trial: Trial, result: dict[str, Any], scheduler: Any
    ) -> PlacementGroupFactory | None:
        """What a trial should have from now on; None for what it has."""
        if self._terms.more() or result["epoch"] not in self._milestones:
            return None
        if any(each.status == Trial.PENDING for each in controller.get_live_trials()):
            return None
        return super().__call__(controller, trial, result, scheduler)
