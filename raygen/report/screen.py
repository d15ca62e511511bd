"""Shows a run while it lasts: a live view on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import ExitStack
from typing import Literal, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from raygen.report.tables import (
    best_text,
    duration_text,
    fold_standings,
    has_score,
    ranking_panel,
    score_text,
    search_panel,
    states_text,
)
from raygen.runs.records import FoldResult, History, State, TrialRecord

_SECONDS_LIVE = 0.4
_SECONDS_PLAIN = 1.0
_MOST_FAILURES = 5
"""Failures named at a time; the others of that moment are counted."""


class Screen:
    """Follows a run by its history.

    ``show`` only notes that something has happened; a thread of its own looks at the history at
    its own slow pace, so that a search of many short trials never waits for its display.

    Args:
        title: The experiment's name.
        metric: What trials are scored by.
        trials: Budget of the search.
        max_epochs: Epochs of a whole training.
        folds: Folds of the ranking.
        top: Candidates that are ranked.
        stream: Where to write; standard error if None.
        time_budget_s: Seconds after which the search begins no more trials.
    """

    def __init__(
        self,
        *,
        title: str,
        metric: str,
        trials: int,
        max_epochs: int,
        folds: int,
        top: int,
        stream: TextIO | None = None,
        time_budget_s: float | None = None,
    ) -> None:
        self._title, self._metric, self._trials = title, metric, trials
        self._max_epochs, self._folds, self._top = max_epochs, folds, top
        self._time_budget_s = time_budget_s
        self._console = Console(file=stream or sys.stderr, highlight=False, soft_wrap=False)
        self._is_live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._history: History | None = None
        self._phase: Literal["", "search", "rank"] = ""
        self._phase_began, self._work_before = 0.0, 0.0
        self._named: set[str | tuple[str, int]] = set()
        self._last_line = ""
        self._something_new = False
        self._closing = threading.Event()

    def __enter__(self) -> Screen:
        """Begin to show."""
        self._began = time.monotonic()
        self._exits = ExitStack()
        self._live: Live | None = None
        if self._is_live:
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=sys.stdout.isatty(),  # what is piped away is for machines
            )
            self._exits.enter_context(self._live)
        self._thread = threading.Thread(target=self._follow, name="screen", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state of the run as plain lines."""
        self._closing.set()
        self._thread.join()
        self.refresh()
        self._exits.close()
        self._say(self._line())

    def show(self, history: History) -> None:
        """Take notice of an event; costs nothing."""
        phase: Literal["search", "rank"] = "rank" if history.searched >= self._trials else "search"
        self._history = history
        if phase != self._phase:
            self._phase_began, self._work_before = time.monotonic(), self._work_done(history, phase)
            self._phase = phase
        self._something_new = True

    def refresh(self) -> None:
        """Bring the display up to date."""
        if self._history is None:
            return
        for line in self._new_failures(self._history):
            self._console.print(Text(line, style="red"), soft_wrap=True)
        if self._live is not None:
            self._live.update(self._panel(self._history), refresh=True)
        elif self._something_new:
            self._something_new = False
            self._say(self._line())

    def _follow(self) -> None:
        """Refresh until the end, and never take more than a twentieth of the time for it."""
        pause = _SECONDS_LIVE if self._is_live else _SECONDS_PLAIN
        wait = pause
        while not self._closing.wait(wait):
            began = time.thread_time()
            self.refresh()
            wait = max(pause, 20 * (time.thread_time() - began))

    def _panel(self, history: History) -> RenderableType:
        elapsed_s, left_s = time.monotonic() - self._began, self._seconds_left(history)
        if self._phase == "search":
            return search_panel(
                history,
                total=self._trials,
                metric=self._metric,
                elapsed_s=elapsed_s,
                max_epochs=self._max_epochs,
                left_s=left_s,
                title=self._title,
            )
        return ranking_panel(
            history,
            total=self._fold_total(history),
            metric=self._metric,
            elapsed_s=elapsed_s,
            folds=self._folds,
            left_s=left_s,
            title=self._title,
        )

    def _line(self) -> str:
        """The state of the run in one line, without the time that has passed."""
        history = self._history
        if history is None:
            return ""
        left_s = self._seconds_left(history)
        left = [] if left_s is None else [f"about {duration_text(left_s)} left"]
        if self._phase == "search" or not history.folds:
            trials = list(history.trials.values())
            over = sum(trial.state.is_over() for trial in trials)
            if not over:
                return ""
            told = [f"search {over}/{self._trials} trials", best_text(trials, self._metric)]
            others = [state for state in State if state not in (State.RUNNING, State.FINISHED)]
            told.append(states_text(trials, others))
            left = left if self._phase == "search" else []
        else:
            results = list(history.folds.values())
            told = [f"ranking {len(results)}/{self._fold_total(history)} folds"]
            first = fold_standings(results, self._metric)[0]
            if not first.failed:
                score = f"{self._metric} {score_text(first.mean)} over {first.done} folds"
                told.append(f"trial {first.trial_id} leads with {score}")
        return ", ".join(part for part in (*told, *left) if part)

    def _say(self, line: str) -> None:
        if line and line != self._last_line and not (self._live and self._live.is_started):
            self._console.print(Text(line), soft_wrap=True)
            self._last_line = line

    def _new_failures(self, history: History) -> list[str]:
        """One line for each trial and fold whose failure has not been told yet."""
        failed: list[TrialRecord | FoldResult] = [
            record
            for record in (*list(history.trials.values()), *list(history.folds.values()))
            if record.state.has_failed() and _key(record) not in self._named
        ]
        self._named.update(_key(record) for record in failed)
        lines = [_failure_text(record) for record in failed[:_MOST_FAILURES]]
        more = len(failed) - _MOST_FAILURES
        return [*lines, f"and {more} more failed"] if more > 0 else lines

    def _seconds_left(self, history: History) -> float | None:
        """An estimate from what was done since the phase began; None before anything was."""
        since = time.monotonic() - self._phase_began
        searching = self._phase == "search"
        total = self._trials if searching else self._fold_total(history)
        done = self._work_done(history, self._phase)
        if done >= total:
            return None
        left = None
        if done > self._work_before:
            left = since * (total - done) / (done - self._work_before)
        if searching and self._time_budget_s is not None:
            budget = max(self._time_budget_s - since, 0.0)
            return budget if left is None else min(left, budget)
        return left

    def _work_done(self, history: History, phase: str) -> float:
        """Trials that ended with shares of those that run; or the folds trained."""
        if phase == "rank":
            return len(history.folds)
        trials = list(history.trials.values())
        ended = [trial.epoch for trial in trials if trial.state.is_over()]
        usual = max(sum(ended) / len(ended), 1.0) if ended else self._max_epochs
        running = (trial.epoch for trial in trials if not trial.state.is_over())
        return len(ended) + sum(min(epoch / usual, 0.9) for epoch in running)

    def _fold_total(self, history: History) -> int:
        able = sum(has_score(trial) for trial in list(history.trials.values()))
        return self._folds * min(self._top, able)


def _key(record: TrialRecord | FoldResult) -> str | tuple[str, int]:
    return (record.trial_id, record.fold) if isinstance(record, FoldResult) else record.trial_id


def _failure_text(record: TrialRecord | FoldResult) -> str:
    place = f", fold {record.fold}" if isinstance(record, FoldResult) else ""
    state = record.state.value.replace("_", " ")
    return f"trial {record.trial_id}{place}: {state}: {record.error}".removesuffix(": ")
