from __future__ import annotations

import io
import math
from typing import Any

import pytest
from made_up import fold_event, history_of, trial_events

from raygen.report.screen import Screen
from raygen.runs.records import History


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class Closed(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text: str) -> int:
        """Fail as the system does."""
        raise BrokenPipeError


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller's settings of colour and width do not reach the tests."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def screen(stream: io.StringIO, **settings: Any) -> Screen:
    """A screen for a search of 4 trials and 2 folds of the 2 best."""
    usual: dict[str, Any] = {"trials": 4, "max_epochs": 4, "folds": 2, "top": 2}
    return Screen(title="digits", metric="accuracy", stream=stream, **usual | settings)


def searched(history: History) -> History:
    """The same run with its search at an end."""
    return history.after([{"event": "searched", "trials": 4}])


def two_trials() -> History:
    """One finished and one failed trial."""
    return history_of(
        trial_events("00000", [0.5, 0.6], end="finished"),
        trial_events("00001", [0.9], end="error"),
    )


def test_a_log_tells_progress_and_each_failure_once() -> None:
    """Without a terminal there are plain lines: the state of the search, and every failure."""
    stream = io.StringIO()
    history = two_trials()
    with screen(stream) as shown:
        for _ in range(5):
            shown.show(history)
            shown.refresh()

    lines = stream.getvalue().splitlines()
    assert lines == [
        "trial 00001: error: model.py:7 `x[red]`: Boom in 00001",
        "search 2/4 trials, best accuracy 0.6000 (trial 00000), 1 error",
    ]


def test_a_log_does_not_grow_with_the_events() -> None:
    """A thousand events in a moment are a few lines, the last of which is the last state."""
    stream = io.StringIO()
    history = history_of()
    with screen(stream, trials=1000) as shown:
        for number in range(1000):
            begin, *events = history_of_one(number)
            history.after([begin, *events])
            shown.show(history)

    lines = stream.getvalue().splitlines()
    assert len(lines) < 100
    assert lines[-1] == "search 1000/1000 trials, best accuracy 0.5000 (trial 00000)"


def history_of_one(number: int) -> list[dict[str, Any]]:
    """The events of a trial of one epoch."""
    return trial_events(f"{number:05d}", [0.5], end="finished")


def test_many_failures_at_once_are_counted() -> None:
    """A search in which everything fails does not flood the log."""
    stream = io.StringIO()
    history = history_of(*(trial_events(f"{i:05d}", [], end="error") for i in range(50)))
    with screen(stream, trials=50) as shown:
        shown.show(history)

    lines = stream.getvalue().splitlines()
    assert "and 45 more failed" in lines
    assert lines[-1] == "search 50/50 trials, no accuracy yet, 50 error"


def test_the_ranking_follows_the_search() -> None:
    """The end of the search stays in the log; folds and failed folds follow it."""
    stream = io.StringIO()
    history = searched(
        history_of(
            trial_events("00000", [0.5, 0.6], end="finished"),
            trial_events("00001", [0.9], end="stopped"),
        )
    )
    with screen(stream) as shown:
        shown.show(history)
        history.after([*fold_event("00000", 0, 0.6), *fold_event("00001", 0, math.nan)])
        shown.show(history)

    lines = stream.getvalue().splitlines()
    assert lines[0] == "trial 00001, fold 0: hung: no sign of life for 600 s"
    assert lines[1] == "search 2/4 trials, best accuracy 0.9000 (trial 00001), 1 stopped"
    assert lines[2].startswith("ranking 2/4 folds, trial 00000 leads with accuracy 0.6000 over 1")


def test_the_time_left_comes_from_finished_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what this session has to do takes as long as the half that is done."""
    now = [100.0]
    monkeypatch.setattr("raygen.report.screen.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    history = history_of(trial_events("00000", [0.5], end="finished"))
    history.after(trial_events("00001", [0.5], end="finished"))
    with screen(stream) as shown:
        shown.show(history)  # found in the journal: no work of this session
        history.after(trial_events("00002", [0.5], end="finished"))
        now[0] += 30.0
        shown.show(history)
        shown.refresh()

    assert stream.getvalue().splitlines()[-1].endswith("(trial 00000), about 30 s left")


def test_the_time_budget_bounds_the_time_left() -> None:
    """What cannot be begun any more is not waited for."""
    stream = io.StringIO()
    with screen(stream, time_budget_s=0.0) as shown:
        shown.show(two_trials())
        shown.refresh()

    assert stream.getvalue().splitlines()[-1].endswith("about 0 s left")


def test_a_search_that_is_done_has_no_time_left() -> None:
    """However much of its budget is."""
    stream = io.StringIO()
    with screen(stream, trials=2, time_budget_s=1800.0) as shown:
        shown.show(two_trials())
        shown.refresh()

    assert "left" not in stream.getvalue()


def test_a_terminal_sees_tables_and_keeps_the_last_lines() -> None:
    """The live view shows both phases, and what remains are the lines a log has."""
    stream = Terminal()
    history = two_trials()
    with screen(stream) as shown:
        shown.show(history)
        shown.refresh()
        searched(history)
        shown.show(history)
        history.after(fold_event("00000", 0, 0.6))
        shown.refresh()

    text = stream.getvalue()
    kept = "ranking 1/2 folds, trial 00000 leads with accuracy 0.6000 over 1 fold"
    assert "digits search" in text
    assert "digits ranking" in text
    assert text.count("Boom in 00001") == 1
    assert text.splitlines()[-1].endswith(kept)


def test_the_run_outlives_its_audience() -> None:
    """A closed pipe or terminal ends the display and nothing else."""
    with screen(Closed()) as shown:
        shown.show(two_trials())


def test_a_screen_without_a_run_says_nothing() -> None:
    """Nothing is shown of nothing, and the error that ended it passes through."""
    stream = io.StringIO()
    with pytest.raises(KeyError), screen(stream):
        raise KeyError("x")

    assert stream.getvalue() == ""


def test_the_training_on_all_rows_is_told_epoch_by_epoch() -> None:
    """After the ranking, or without any, the last training has lines and a panel of its own."""
    begun = {"event": "fit", "trial_id": "00000", "epoch": 0, "metrics": {}, "seconds": 0.0}
    epoch = {**begun, "epoch": 1, "metrics": {"train_loss": 0.25, "epoch": 1}}
    log, terminal = io.StringIO(), Terminal()
    for stream in (log, terminal):
        history = history_of()
        with screen(stream) as shown:
            for event in (begun, epoch):
                shown.show(history.after([event]))
                shown.refresh()

    assert log.getvalue().splitlines()[0] == "training on all rows 0/4 epochs"
    assert "training on all rows 1/4 epochs, train_loss 0.2500" in log.getvalue()
    assert "digits training" in terminal.getvalue()
