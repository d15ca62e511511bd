"""When has a search had enough: of trials, epochs, time, or because it got what it wanted?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from raygen.config.search_section import Search
from raygen.config.space import Space
from raygen.runs.records import History, TrialRecord

UNLIMITED = 1_000_000_000
"""Trials of a search without a budget in trials."""


class Budget:
    """Follows a search and says what ends it.

    All budgets are totals: what earlier sessions have used up counts. They are looked at whenever
    a trial could begin; an epoch budget, a target and a plateau also end the trials that run.

    Args:
        search: The section of the config.
        sign: Times a score, higher is better.
        seconds_before: Spent on the search by earlier sessions.
        clock: Seconds, only ever growing.
    """

    def __init__(
        self,
        search: Search,
        *,
        sign: float,
        seconds_before: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._search, self._sign, self._clock = search, sign, clock
        left_s = math.inf if search.time_budget is None else search.time_budget - seconds_before
        self._deadline = clock() + left_s
        self._best, self._fruitless, self._epochs = -math.inf, 0, 0
        self._epoch_of: dict[str, int] = {}
        self._reached = False

    def spent(self) -> str:
        """What ends the search at once; empty while it may go on."""
        search = self._search
        if self._reached:
            return "target"
        if search.plateau is not None and self._fruitless >= search.plateau:
            return "plateau"
        if search.total_epochs is not None and self._epochs >= search.total_epochs:
            return "epochs"
        return ""

    def closed(self) -> str:
        """What keeps further trials from beginning; empty while they may."""
        return self.spent() or ("time budget" if self._clock() > self._deadline else "")

    def note(self, trial: TrialRecord) -> None:
        """Take in a trial after an epoch or its end."""
        self._epochs += max(trial.epoch - self._epoch_of.get(trial.trial_id, 0), 0)
        self._epoch_of[trial.trial_id] = trial.epoch
        if trial.state.has_failed():
            self._fruitless += 1
            return
        if not trial.curve:
            return
        score, target = self._sign * trial.curve[-1], self._search.target
        if target is not None and score >= self._sign * target:
            self._reached = True
        if trial.state.is_over():
            better = score > self._best
            self._best, self._fruitless = (
                max(score, self._best),
                int(not better) * (self._fruitless + 1),
            )


def num_trials(search: Search) -> int:
    """The most trials a search begins, the repeats of each candidate included."""
    return UNLIMITED if search.trials is None else search.trials * search.repeats


def expected_trials(search: Search, space: Space) -> int:
    """How many trials a search will have at most; 0 if that cannot be known."""
    size, most = space.size(), num_trials(search)
    # a grid takes a few points of a continuous range, so its size is its own
    if size is not None:
        most = min(most, size * search.repeats)
    return 0 if most >= UNLIMITED else most


def is_covered(history: History, search: Search) -> bool:
    """Whether a search that has come to its end would end there with this budget too."""
    done = history.searched
    if done is None or num_trials(search) > (done.trials or UNLIMITED):
        return False
    limit = {
        "time budget": "time_budget",
        "epochs": "total_epochs",
        "plateau": "plateau",
    }.get(done.reason)
    if done.reason == "target":
        return search.target == done.target
    if limit is None:
        return True
    now, then = getattr(search, limit), getattr(done, limit)
    return now is not None and then is not None and now <= then
