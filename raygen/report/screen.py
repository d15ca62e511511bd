"""Shows a run while it lasts: a live view on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import ExitStack, suppress
from typing import Any, Literal, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from raygen.report.tables import (
    best_text,
    fit_panel,
    fit_text,
    fold_standings,
    has_score,
    ranking_panel,
    search_panel,
    states_text,
)
from raygen.report.texts import duration_text, score_text
from raygen.runs.records import FoldResult, History, State, TrialRecord

_SECONDS_LIVE = 0.4
_SECONDS_PLAIN = 1.0
_MOST_FAILURES = 5
"""Failures named at a time; the others of that moment are counted."""
_NOBODY_WATCHES = (OSError, SystemExit)
"""What writing to a closed terminal or pipe raises, rich's own way included; the run goes on."""


class Screen:
    """Follows a run by its history.

    ``show`` only notes that something has happened; a thread of its own looks at the history at
    its own slow pace, so that a search of many short trials never waits for its display.

    Args:
        title: The experiment's name.
        metric: What trials are scored by.
        trials: Budget of the search.
        max_epochs: Epochs of a whole training.
        folds: Scores of a candidate in the ranking.
        top: Candidates that are ranked.
        races: Whether some of them may be stopped before they have all scores.
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
        races: bool = False,
        stream: TextIO | None = None,
        time_budget_s: float | None = None,
    ) -> None:
        self._title, self._metric, self._trials = title, metric, trials
        self._max_epochs, self._folds, self._top = max_epochs, folds, top
        self._races = races
        self._time_budget_s = time_budget_s
        self._console = Console(file=stream or sys.stderr, highlight=False, soft_wrap=False)
        self._is_live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._history: History | None = None
        self._phase: Literal["", "search", "rank", "train"] = ""
        self._named: set[str | tuple[str, int]] = set()
        self._lines: set[str] = set()
        self._closing = threading.Event()

    def __enter__(self) -> Screen:
        """Begin to show."""
        self._began = time.monotonic()
        self._exits = ExitStack()
        self._live: Live | None = None
        if self._is_live:
            self._live = Live(
                Text(f"{self._title} starting", style="bold"),
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
        """Leave the last state of the run as a plain line."""
        self._closing.set()
        self._thread.join()
        with suppress(*_NOBODY_WATCHES):
            self.refresh()
            self._exits.close()
            if self._history is not None:
                self._say(self._line(self._history))

    def show(self, history: History) -> None:
        """Take notice of an event; costs nothing."""
        done = history.searched
        begun = done is not None and (done.trials is None or done.trials >= self._trials)
        phase: Literal["search", "rank", "train"] = "rank" if begun else "search"
        if history.fit and history.fit["trial_id"] != history.test.get("trial_id"):
            phase = "train"
        if phase != self._phase:
            self._phase, self._pace = phase, _Pace(self._work(history, phase)[0])
        self._history = history

    def say(self, line: str) -> None:
        """Show a line that is of no event."""
        with suppress(*_NOBODY_WATCHES):
            self._console.print(Text(line, style="yellow"), soft_wrap=True)

    def refresh(self) -> None:
        """Bring the display up to date."""
        history = self._history
        if history is None:
            return
        for line in self._new_failures(history):
            self._console.print(Text(line, style="red"), soft_wrap=True)
        if self._phase == "rank":
            self._say(self._search_line(history))
        if self._phase == "train":
            self._say(self._rank_line(history))
        if self._live is None:
            self._say(self._line(history))
        else:
            self._live.update(self._panel(history), refresh=True)

    def _follow(self) -> None:
        """Refresh until the end, and never take more than a fiftieth of the time for it."""
        pause = _SECONDS_LIVE if self._is_live else _SECONDS_PLAIN
        wait = pause
        with suppress(*_NOBODY_WATCHES):
            while not self._closing.wait(wait):
                began = time.thread_time()
                self.refresh()
                wait = max(pause, 50 * (time.thread_time() - began))

    def _panel(self, history: History) -> RenderableType:
        common: dict[str, Any] = {
            "metric": self._metric,
            "elapsed_s": time.monotonic() - self._began,
            "left_s": self._seconds_left(history),
            "title": self._title,
        }
        if self._phase == "search":
            return search_panel(history, total=self._trials, max_epochs=self._max_epochs, **common)
        if self._phase == "train":
            return fit_panel(history, total=self._max_epochs, **common)
        total = self._fold_total(history)
        return ranking_panel(history, total=total, folds=self._folds, **common)

    def _line(self, history: History) -> str:
        if self._phase == "train":
            return fit_text(history.fit, self._max_epochs)
        return self._search_line(history) if self._phase == "search" else self._rank_line(history)

    def _search_line(self, history: History) -> str:
        trials = list(history.trials.values())
        over = sum(trial.state.is_over() for trial in trials)
        others = [state for state in State if state not in (State.RUNNING, State.FINISHED)]
        end = history.searched.reason if history.searched else ""
        told = (
            f"search {over}/{self._trials} trials",
            best_text(history),
            states_text(trials, others),
            f"ended by: {end}" if end not in ("", "trials") else "",
        )
        return ", ".join(part for part in told if part) if over else ""

    def _rank_line(self, history: History) -> str:
        results = list(history.folds.values())
        if not results:
            return ""
        total = self._fold_total(history)
        done = f"{len(results)} of at most {total}" if self._races else f"{len(results)}/{total}"
        line = f"ranking {done} folds"
        first = fold_standings(history)[0]
        if first.failed:
            return line
        over = f"{first.done} fold{'' if first.done == 1 else 's'}"
        score = f"{self._metric} {score_text(first.mean)} over {over}"
        return f"{line}, trial {first.trial_id} leads with {score}"

    def _say(self, line: str) -> None:
        """Write a line of the log, with the time left, unless it stands there already."""
        if not line or line in self._lines or self._history is None:
            return
        self._lines.add(line)
        goes_on = line.startswith(self._phase) and not self._closing.is_set()
        left_s = self._seconds_left(self._history) if goes_on else None
        left = "" if left_s is None else f", about {duration_text(left_s)} left"
        self._console.print(Text(line + left), soft_wrap=True)

    def _new_failures(self, history: History) -> list[str]:
        """One line for each trial and fold whose failure has not been told yet."""
        records: list[TrialRecord | FoldResult] = [*history.trials.values()]
        records.extend(history.folds.values())
        failed = [r for r in records if r.state.has_failed() and _key(r) not in self._named]
        self._named.update(_key(record) for record in failed)
        lines = [_failure_text(record) for record in failed[:_MOST_FAILURES]]
        more = len(failed) - _MOST_FAILURES
        return [*lines, f"and {more} more failed"] if more > 0 else lines

    def _seconds_left(self, history: History) -> float | None:
        done, total = self._work(history, self._phase)
        left = self._pace.seconds_left(done, total)
        if self._phase == "search" and self._time_budget_s is not None and done < total:
            budget = max(self._time_budget_s - self._pace.seconds(), 0.0)
            return budget if left is None else min(left, budget)
        return left

    def _work(self, history: History, phase: str) -> tuple[float, float]:
        """What is done and what there is to do.

        In the search that is trials, with shares of those that run; in the ranking it is folds,
        without those that the search has trained already; in the last training it is epochs.
        """
        trials = history.trials.copy()
        if phase == "train":
            return history.fit["epoch"], self._max_epochs
        if phase == "rank":
            folds = list(history.folds.values())
            given = sum(f.fold == 0 and f.seconds == trials[f.trial_id].seconds for f in folds)
            return len(folds) - given, self._fold_total(history) - given
        ended = [trial.epoch for trial in trials.values() if trial.state.is_over()]
        usual = max(sum(ended) / len(ended), 1.0) if ended else self._max_epochs
        running = (trial.epoch for trial in trials.values() if not trial.state.is_over())
        return len(ended) + sum(min(epoch / usual, 0.9) for epoch in running), self._trials

    def _fold_total(self, history: History) -> int:
        able = sum(has_score(trial) for trial in list(history.trials.values()))
        return self._folds * min(self._top, able)


class _Pace:
    """How long it still takes if it goes on as it has begun."""

    def __init__(self, done: float) -> None:
        self._began = self._changed = time.monotonic()
        self._before = self._done = done
        self._left: float | None = None

    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def seconds_left(self, done: float, total: float) -> float | None:
        """Count down from the last progress; None before there was any and after the end."""
        now = time.monotonic()
        if done != self._done and done > self._before:
            self._done, self._changed = done, now
            self._left = (now - self._began) * (total - done) / (done - self._before)
        if self._left is None or done >= total:
            return None
        return max(self._left - (now - self._changed), 1.0)


def _key(record: TrialRecord | FoldResult) -> str | tuple[str, int]:
    return (record.trial_id, record.fold) if isinstance(record, FoldResult) else record.trial_id


def _failure_text(record: TrialRecord | FoldResult) -> str:
    place = f", fold {record.fold}" if isinstance(record, FoldResult) else ""
    state = record.state.value.replace("_", " ")
    return f"trial {record.trial_id}{place}: {state}: {record.error}".removesuffix(": ")
