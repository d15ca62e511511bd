from __future__ import annotations

import io
import math

import pytest
from made_up import board_of, entry, fold_event, history_of, together, trial_events
from rich.console import Console, RenderableType

from raygen.report.tables import best_text, leaderboard_table, ranking_panel, search_panel


def printed(renderable: RenderableType, width: int = 80) -> str:
    """What a reader sees; every line fits."""
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(renderable)
    text = console.export_text()
    assert max(len(line) for line in text.splitlines()) <= width
    return text


def test_a_leaderboard_tells_scores_and_what_differs() -> None:
    """Ranks, rounded scores, sizes and differing values are there; shared values are not."""
    first = entry(1, "00007", [0.97, 0.98, 0.96], units=64, rate=0.5)
    second = entry(2, "00003", [0.95, 0.93, 0.94], units=64, rate=0.25)

    text = printed(leaderboard_table(board_of(first, second, accuracy=0.9755, log_loss=0.1)))

    assert "higher is better" in text
    row = next(line for line in text.splitlines() if line.startswith("1"))
    assert row.split() == [
        "1",
        "00007",
        "0.970",
        "±",
        "0.010",
        "0.960..0.980",
        "12.3k",
        "12",
        "rate",
        "0.5",
    ]
    assert "units" not in text
    assert "test: accuracy 0.9755, log_loss 0.1000 (trial 00007" in text


RANKING = {
    "chosen": {"by": "mean", "why": "the best mean"},
    "tied": ["00007"],
    "fold_fits": {"run": 6, "full": 6},
    "optimism": None,
}
"""What the leaderboard says beside its rows."""


def test_several_together_are_a_row_that_is_no_candidate() -> None:
    """It is the last one whatever its score, has no number, and the first stays the chosen one."""
    judged = {"tied": True, "folds_run": 2, "diagnosis": []}
    rows = [entry(k + 1, f"0000{k}", [0.90, 0.92], units=k) | judged for k in range(2)]
    board = board_of(*rows) | RANKING
    board["ensemble"] = together(0.98, 0.99, **{"00001": 2, "00000": 1})

    lines = printed(leaderboard_table(board), 120).splitlines()

    row = next(line for line in lines if line.startswith("  +"))
    assert row.split()[:5] == ["+", "together", "0.985", "±", "0.007"]
    assert lines.index(row) > next(i for i, line in enumerate(lines) if line.startswith("2"))
    told = " ".join(" ".join(lines).split())
    assert "chosen: 00000, the best mean" in told
    assert "+ together, no single candidate: the mean of 2 x 00001 + 1 x 00000" in told


@pytest.mark.parametrize(
    ("test", "told"),
    [({"accuracy": 0.75}, "test accuracy 0.7500"), ({}, "raygen generate has them do it")],
    ids=["scored", "not yet"],
)
def test_fold_models_have_no_mean_but_a_test_score(test: dict[str, float], told: str) -> None:
    """No fold can score them: their row has none, and the line below says why."""
    judged = {"tied": True, "folds_run": 2, "diagnosis": [], "interval": [0.8, 1.0]}
    rows = [entry(k + 1, f"0000{k}", [0.90, 0.92]) | judged for k in range(2)]
    board = board_of(*rows) | RANKING
    unscored = {"kind": "folds", "mean": None, "std": None, "folds": [], "interval": None}
    board["ensemble"] = together(0.5, **{"00000": 2}) | unscored | {"test": test}

    text = printed(leaderboard_table(board), 120)

    row = next(line for line in text.splitlines() if line.startswith("  +"))
    assert row.split() == ["+", "fold", "models", "12.3k", "12"]
    assert "folds run" not in text
    assert f"the test rows alone can score: {told}" in " ".join(text.split())


@pytest.mark.parametrize("members", [{"00007": 3}, None], ids=["one alone", "none"])
def test_one_alone_is_no_ensemble(members: dict[str, int] | None) -> None:
    """Nothing is said of it."""
    board = board_of(entry(1, "00007", [0.9, 0.92]) | {"diagnosis": []}) | RANKING
    board["ensemble"] = together(0.98, 0.99, **members) if members else None

    assert "together" not in printed(leaderboard_table(board))


@pytest.mark.parametrize("width", [80, 100])
def test_a_leaderboard_of_many_values_stays_low(width: int) -> None:
    """Candidates with a hundred values take three lines each and say that there is more."""
    many = [{f"parameter_{i}": i + k for i in range(100)} for k in range(2)]
    entries = [entry(k + 1, f"0000{k}", [0.5, 0.6], **many[k]) for k in range(2)]

    text = printed(leaderboard_table(board_of(*entries)), width)

    assert len(text.splitlines()) == 2 + 3 * 2
    assert text.count("…") == 2


def test_only_who_is_tied_with_another_is_marked() -> None:
    """The mark of one alone would stand there without what it means."""
    entries = [entry(1, "00000", [0.9, 0.8]), entry(2, "00001", [0.5, 0.6])]
    entries[0] |= {"tied": True}

    assert " = " not in printed(leaderboard_table(board_of(*entries)))
    entries[1] |= {"tied": True}
    assert printed(leaderboard_table(board_of(*entries))).count(" = ") == 2


def test_what_is_said_below_is_not_folded_to_a_narrow_table() -> None:
    """A line of the screen's width stands on one line."""
    scores = {f"metric_{i}": 0.1234 for i in range(3)}
    text = printed(leaderboard_table(board_of(entry(1, "00000", [0.5, 0.6]), **scores)), 120)

    assert max(len(line) for line in text.splitlines()) > 80
    assert "metric_2 0.1234 (trial 00000, trained on all training rows)" in text


def test_a_candidate_of_few_values_takes_one_line() -> None:
    """Nothing is left blank between the rows."""
    entries = [entry(k + 1, f"0000{k}", [0.5, 0.6], units=k) for k in range(3)]

    text = printed(leaderboard_table(board_of(*entries)))

    assert len(text.splitlines()) == 2 + 3
    assert all(line.strip() for line in text.splitlines())


def test_a_leaderboard_may_be_empty_or_untested() -> None:
    """Neither entries nor a test score need be there."""
    assert "accuracy" in printed(leaderboard_table(board_of()))
    assert "test" not in printed(leaderboard_table(board_of(entry(1, "00000", [0.5, 0.5]))))


def test_markup_in_values_is_text() -> None:
    """What looks like rich markup is shown as it is written."""
    text = printed(leaderboard_table(board_of(entry(1, "00000", [0.5, 0.6], kind="[red]x[/red]"))))

    assert "[red]x[/red]" in text


@pytest.mark.parametrize("width", [80, 100])
def test_the_search_shows_the_best_and_the_running(width: int) -> None:
    """Counts by state, the best so far, the best trials first and then those that run."""
    history = history_of(
        trial_events("00000", [0.5, 0.6], end="finished", units=1),
        trial_events("00001", [0.7], end="stopped", units=2),
        trial_events("00002", [0.99], end="nan", units=3),
        trial_events("00003", [0.65], units=4),
        trial_events("00004", [], units=5),
    )

    text = printed(
        search_panel(
            history,
            total=20,
            metric="accuracy",
            elapsed_s=65.0,
            max_epochs=4,
            left_s=125.0,
            title="digits",
        ),
        width,
    )

    assert "3/20 trials, 1 min 05 s, about 2 min 05 s left" in text
    assert "best accuracy 0.7000 (trial 00001)" in text
    assert "2 running, 1 finished, 1 stopped, 1 nan" in text
    rows = [line.split() for line in text.splitlines() if line.startswith("0000")]
    assert [row[0] for row in rows] == ["00001", "00000", "00003", "00004"]
    assert rows[2] == ["00003", "running", "1/4", "0.6500", "12.3k", "units", "4"]


def test_low_is_best_where_low_is_better() -> None:
    """The direction of the metric decides what is best."""
    history = history_of(
        trial_events("00000", [3.0], metric="rmse", end="finished"),
        trial_events("00001", [2.0], metric="rmse", end="finished"),
        metric="rmse",
    )

    assert best_text(history) == "best rmse 2.000 (trial 00001)"


def test_a_crowd_of_running_trials_is_counted() -> None:
    """More running trials than fit are told in one line."""
    history = history_of(*(trial_events(f"{i:05d}", []) for i in range(50)))

    text = printed(
        search_panel(history, total=99, metric="accuracy", elapsed_s=0.0, max_epochs=4), width=80
    )

    assert "and 42 more running" in text
    assert len(text.splitlines()) < 16


def test_the_ranking_shows_folds_and_means() -> None:
    """Folds done of all, the mean so far, and a candidate that failed a fold comes last."""
    history = history_of(
        trial_events("00000", [0.5], end="finished", units=1),
        trial_events("00001", [0.6], end="finished", units=2),
        fold_event("00000", 0, math.nan),
        fold_event("00000", 1, 0.99),
        fold_event("00001", 0, 0.6),
        fold_event("00001", 1, 0.8),
    )

    text = printed(
        ranking_panel(history, total=10, metric="accuracy", elapsed_s=9.0, folds=5, left_s=14.0)
    )

    assert "4/10 folds, 9 s, about 14 s left" in text
    rows = [line.split()[:3] for line in text.splitlines() if line.startswith("0000")]
    assert rows == [["00001", "2/5", "0.7000"], ["00000", "2/5", "failed"]]
