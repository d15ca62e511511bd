from __future__ import annotations

from searched import made_space, noise, searched

from raygen.report.progress import by_seconds, by_trials
from raygen.report.rungs import survival
from raygen.report.view import view_of


def test_every_trial_ends_once() -> None:
    """Those that reach an epoch are those that go beyond it and those that end there."""
    history = searched(40, noise, rungs=(1, 3, 10), fails=lambda v: v["layers"] == 1)

    found = survival(view_of(history, made_space()))

    gone = sum(found.ended.values())
    assert found.reached[0] == 40
    assert (found.reached[:-1] - gone[:-1]).tolist() == found.reached[1:].tolist()
    assert found.ended["failed"].tolist() == [40 - found.reached[1], *[0] * 10]
    assert found.ended["stopped"].nonzero()[0].tolist() == [1, 3]
    assert found.ended["finished"].nonzero()[0].tolist() == [10]


def test_the_best_so_far_follows_the_order_of_the_axis() -> None:
    """Along trials it is that of the trials begun, along seconds that of those that ended."""
    history = searched(30, noise, metric="log_loss", rungs=(1, 10))
    view = view_of(history, made_space())

    trials, seconds = by_trials(view), by_seconds(view)

    assert trials.best.tolist() == [min(view.scores[: n + 1]) for n in range(30)]
    assert seconds.x.tolist() == sorted(seconds.x)
    assert seconds.x[-1] == history.search_seconds
    assert seconds.best[-1] == trials.best[-1] == min(view.scores)


def test_pauses_between_sessions_are_no_search() -> None:
    """A search that went on the next day took no day."""
    history = searched(2, noise)
    day = 86_400.0
    trial = {"trial_id": "00002", "values": {}, "candidate": "", "source_sha": ""}
    history.after(
        [
            {"event": "search", "time": 1000.0 + day},
            {"event": "trial", "time": 1000.0 + day, **trial, "num_parameters": 1},
            {"event": "end", "time": 1005.0 + day, "trial_id": "00002", "state": "error"},
        ]
    )

    assert view_of(history, made_space()).clock == (10.0, 20.0, 25.0)
