"""What of a search can be drawn: its trials in order, their scores, and when each of them ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from raygen.config.space import Parameter, Space
from raygen.report.canvas import Limits, zoom
from raygen.report.tables import has_score, states_text
from raygen.runs.records import Exploit, History, TrialRecord
from raygen.tasks.task import Objective

Mode = Literal["max", "min"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchView:
    """A search as it stands; nothing in it changes while it is drawn."""

    name: str
    metric: str
    mode: Mode
    parameters: tuple[Parameter, ...]
    """Those that could differ between trials."""
    trials: tuple[TrialRecord, ...]
    """In the order in which they were begun."""
    clock: tuple[float, ...]
    """Seconds of searching after which each trial ended; NaN for one that runs."""
    objectives: tuple[Objective, ...]
    """All that is searched for; ``metric`` is the first."""
    exploits: tuple[Exploit, ...] = ()
    board: Mapping[str, Any] | None = None
    """What ``raygen show --json`` prints; None before the ranking."""

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """The last score of each trial; NaN where none counts."""
        return np.array([t.curve[-1] if has_score(t) else np.nan for t in self.trials], dtype=float)

    @cached_property
    def goodness(self) -> NDArray[np.float64]:
        """The scores, turned so that higher is better."""
        return self.scores if self.mode == "max" else -self.scores

    @cached_property
    def ranked(self) -> NDArray[np.int64]:
        """Places in ``trials`` of those with a score, best first; the earlier first of equals."""
        scored = np.flatnonzero(np.isfinite(self.goodness))
        return scored[np.argsort(-self.goodness[scored], kind="stable")]

    @cached_property
    def limits(self) -> Limits:
        """A stretch of the score's axis without those that blew up."""
        scores = list(self.scores[self.ranked])
        return zoom(scores, scores, mode=self.mode)

    @property
    def headline(self) -> str:
        """The name of the run, and how many trials came to what."""
        short = self.name if len(self.name) <= 60 else f"{self.name[:57]}..."
        told = f"{len(self.trials)} trial{'' if len(self.trials) == 1 else 's'}"
        states = f" ({states_text(self.trials)})" if self.trials else ""
        return f"{short}: {told}{states}" if short else f"{told}{states}"

    @property
    def better(self) -> str:
        """Which end of the scores is the good one, in words."""
        return "higher is better" if self.mode == "max" else "lower is better"

    def values_of(self, parameter: Parameter) -> list[Any]:
        """The value each trial has now of a parameter; None where it is not active."""
        return [trial.current.get(parameter.name) for trial in self.trials]


def view_of(
    history: History,
    space: Space | None = None,
    *,
    name: str = "",
    board: Mapping[str, Any] | None = None,
) -> SearchView:
    """Look at a search.

    Args:
        history: What the journal says; a search may go on meanwhile.
        space: What was searched; without it the parameters stay unknown.
        name: Of the experiment.
        board: What ``raygen show --json`` prints, if it is ranked.
    """
    trials = tuple(history.trials.values())
    mode = history.mode if history.metric else "max"
    # a journal that knows no sessions begins with its first trial
    origin = min((trial.began for trial in trials), default=0.0)
    clock = history.clock if history.sessions else lambda time: time - origin
    return SearchView(
        name=name,
        metric=history.metric,
        mode=mode,
        parameters=tuple(p for p in space.parameters if p.domain.size != 1) if space else (),
        trials=trials,
        clock=tuple(clock(trial.ended) if trial.ended else np.nan for trial in trials),
        objectives=history.objectives or (Objective(history.metric, mode),),
        exploits=tuple(history.exploits),
        board=board,
    )
