"""Hyperband: brackets of trials that are halved together, from many short ones to few long ones."""

from __future__ import annotations

import math
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import HyperBandForBOHB, HyperBandScheduler, TrialScheduler
from ray.tune.schedulers.hyperband import _Bracket

from raygen.search.schedulers.rungs import reduction
from raygen.search.schedulers.terms import SchedulerTerms


def hyperband(terms: SchedulerTerms) -> TrialScheduler:
    """Li et al. 2018 (arXiv 1603.06560); the bracket that has come furthest goes last."""
    return FiniteHyperBand(terms)


def bohb(terms: SchedulerTerms) -> TrialScheduler:
    """Falkner et al. 2018 (arXiv 1807.01774): one bracket after the other."""
    return FiniteBOHB(terms)


class _Mended:
    """What Ray's two Hyperband schedulers need to end whatever happens.

    In Ray's own, a bracket stops answering for good when a trial of a later round fails last; a
    bracket that was halved takes new trials in the place of failed ones; the last round ends at
    the power of eta below the full length; and the BOHB kind works with Ray's BOHB searcher only.
    Here a bracket takes as many trials as it has places, once; it is halved when all of them have
    come as far, or have failed, and when it is full or nobody else will come; and the last round
    goes to the end. The first bracket is the one of the most trials, as in the paper.
    """

    _terms: SchedulerTerms
    _trial_info: dict[Trial, Any]
    _open: list[Any]

    def _create_bracket(self, s: int) -> _Bracket:
        bracket: _Bracket = _FiniteBracket(
            time_attr="epoch",
            max_trials=self._get_n0(s),  # type: ignore[attr-defined]
            init_t_attr=self._get_r0(s),  # type: ignore[attr-defined]
            max_t_attr=self._terms.max_epochs,
            eta=reduction(self._terms),
            s=s,
        )
        self._open.append(bracket)
        return bracket

    def on_trial_add(self, controller: Any, trial: Trial) -> None:
        """Put it into the bracket that is being filled."""
        HyperBandForBOHB.on_trial_add(self, controller, trial)

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Pause at the end of a round, and halve the bracket when all have come there."""
        if not math.isfinite(result[self._metric]):  # type: ignore[attr-defined]
            return str(TrialScheduler.STOP)
        bracket, _ = self._trial_info[trial]
        known = bracket._live_trials[trial]
        if known is not None and result["epoch"] <= known["epoch"]:  # told again after a restart
            return str(TrialScheduler.CONTINUE)
        bracket.update_trial_stats(trial, result)
        if bracket.continue_trial(trial):
            return str(TrialScheduler.CONTINUE)
        return self._process_bracket(controller, bracket)

    def _process_bracket(self, controller: Any, bracket: _Bracket) -> str:
        if not bracket.filled() and self._terms.more():
            return str(TrialScheduler.PAUSE)
        action = str(TrialScheduler.PAUSE)
        while bracket._live_trials and bracket.cur_iter_done():
            action = str(super()._process_bracket(controller, bracket))  # type: ignore[misc]
            bracket.is_being_processed = False
            if action == TrialScheduler.STOP or bracket.finished():
                break
        return action

    def on_trial_remove(self, controller: Any, trial: Trial) -> None:
        """Go on without it."""
        bracket, _ = self._trial_info.pop(trial, (None, 0))
        if bracket is None:
            return
        bracket.cleanup_trial(trial)
        if not bracket.finished() and not bracket.is_being_processed:
            self._process_bracket(controller, bracket)

    def _unpause_trial(self, controller: Any, trial: Trial) -> None:
        """Tell no searcher; Ray's for BOHB knows the searcher of its own only."""

    def choose_trial_to_run(self, controller: Any) -> Trial | None:
        """Wake or begin a trial of a bracket; halve what will not be filled any more."""
        self._open = [each for each in self._open if each._live_trials or not each.filled()]
        chosen = self._waiting()
        if chosen is None and not self._terms.more():
            for bracket in self._open:
                if bracket._live_trials and bracket.cur_iter_done() and not bracket.filled():
                    self._process_bracket(controller, bracket)
            chosen = self._waiting()
        return chosen

    def _waiting(self) -> Trial | None:
        for bracket in self._in_order():
            for trial in bracket._live_trials:
                woken = trial.status == Trial.PAUSED and trial in bracket.trials_to_unpause
                if woken or trial.status == Trial.PENDING:
                    return trial
        return None

    def _in_order(self) -> list[Any]:
        return self._open


class FiniteHyperBand(_Mended, HyperBandScheduler):  # type: ignore[misc]  # Ray has no types
    """Ray's Hyperband, which always ends."""

    def __init__(self, terms: SchedulerTerms) -> None:
        super().__init__(
            time_attr="epoch", max_t=terms.max_epochs, reduction_factor=reduction(terms)
        )
        self._terms, self._open = terms, []

    def _in_order(self) -> list[Any]:
        return sorted(self._open, key=lambda bracket: bracket.completion_percentage())


class FiniteBOHB(_Mended, HyperBandForBOHB):  # type: ignore[misc]  # Ray has no types
    """Ray's Hyperband for BOHB, which always ends and takes any searcher."""

    def __init__(self, terms: SchedulerTerms) -> None:
        super().__init__(
            time_attr="epoch", max_t=terms.max_epochs, reduction_factor=reduction(terms)
        )
        self._terms, self._open = terms, []


class _FiniteBracket(_Bracket):  # type: ignore[misc]  # Ray has no types
    """A bracket whose places are given away once, and whose last round goes to the end."""

    _n: int

    def filled(self) -> bool:
        """Whether every place was given away, be the trial alive or not."""
        return bool(len(self._all_trials) >= self._n0)

    def successive_halving(self, metric: str, sign: float) -> tuple[list[Trial], list[Trial]]:
        """Part the trials; if not all places were taken, a third of those that were goes on."""
        self._n = min(self._n, len(self._all_trials))
        parts: tuple[list[Trial], list[Trial]] = super().successive_halving(metric, sign)
        if self._halves == 0:
            self._r = self._cumul_r = self._max_t_attr
        return parts
