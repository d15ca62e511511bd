"""Runs that never ran: histories from made-up events."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from raygen.runs.records import History

Events = list[dict[str, Any]]


def trial_events(
    trial_id: str, curve: Sequence[float], *, metric: str = "accuracy", end: str = "", **values: Any
) -> Events:
    """A trial that reports a curve and then ends, or goes on if ``end`` is empty."""
    events: Events = [
        {
            "event": "trial",
            "trial_id": trial_id,
            "values": {"units": 64, "optimizer": "adamw", "learning_rate": 0.00123} | values,
            "candidate": trial_id,
            "source_sha": "0" * 64,
            "num_parameters": 12345,
        }
    ]
    for epoch, score in enumerate(curve, start=1):
        metrics = {"epoch": epoch, metric: score}
        events.append(
            {
                "event": "report",
                "trial_id": trial_id,
                "epoch": epoch,
                "metrics": metrics,
                "seconds": float(epoch),
            }
        )
    if end:
        failed = end not in ("finished", "stopped")
        error = {"error": f"model.py:7 `x[red]`: Boom in {trial_id}"} if failed else {}
        events.append({"event": "end", "trial_id": trial_id, "state": end, **error})
    return events


def fold_event(trial_id: str, fold: int, score: float, *, metric: str = "accuracy") -> Events:
    """A fold that ended with a score, or failed if that is NaN."""
    failed = math.isnan(score)
    return [
        {
            "event": "fold",
            "trial_id": trial_id,
            "fold": fold,
            "state": "hung" if failed else "finished",
            "metrics": {} if failed else {metric: score},
            "epochs": 4,
            "seconds": 2.5,
            "error": "no sign of life for 600 s" if failed else "",
        }
    ]


def history_of(*groups: Events, metric: str = "accuracy") -> History:
    """The history of a run with these events."""
    begin = {"event": "begin", "metric": metric}
    return History().after([begin, *(event for group in groups for event in group)])


def entry(rank: int, trial_id: str, folds: Sequence[float], **candidate: Any) -> dict[str, Any]:
    """A row of a leaderboard."""
    mean = sum(folds) / len(folds)
    squares = sum((fold - mean) ** 2 for fold in folds)
    return {
        "rank": rank,
        "trial_id": trial_id,
        "candidate": candidate or {"units": 64},
        "source_sha": "0" * 64,
        "mean": mean,
        "std": math.sqrt(squares / (len(folds) - 1)) if len(folds) > 1 else math.nan,
        "folds": tuple(folds),
        "num_parameters": 12345,
        "seconds": 12.345,
    }


def together(*folds: float, **members: int) -> dict[str, Any]:
    """What a leaderboard says of several candidates that predict together."""
    told = entry(0, "", folds)
    keys = ("mean", "std", "folds", "num_parameters", "seconds")
    mean, posterior = told["mean"], {"worse": 0.1, "same": 0.6, "better": 0.3}
    found = {"kind": "greedy", "members": members, "posterior": posterior}
    return found | {"interval": [mean - 0.01, mean + 0.01]} | {key: told[key] for key in keys}


def board_of(
    *entries: dict[str, Any], metric: str = "accuracy", mode: str = "max", **test: float
) -> dict[str, Any]:
    """A leaderboard."""
    return {
        "name": "digits",
        "metric": metric,
        "mode": mode,
        "entries": list(entries),
        "test": test,
    }
