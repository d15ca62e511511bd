from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from searched import made_space

from raygen.report.plots import draw_search
from raygen.report.schedules import ancestry, schedules
from raygen.report.view import SearchView, view_of
from raygen.runs.records import History

FIRST = {"optimizer": "adamw", "units": 64, "layers": 2, "dropout": 0.0, "batch_norm": True}


def population() -> History:
    """Three trials of 6 epochs: 1 copies 0 after epoch 2, and 2 copies 1 after epoch 4."""
    events: list[dict[str, Any]] = [{"event": "begin", "metric": "accuracy"}]
    rates = {"00000": 1e-2, "00001": 1e-4, "00002": 1e-5}
    for trial_id, rate in rates.items():
        shown = {"values": FIRST | {"learning_rate": rate}, "candidate": trial_id}
        events.append({"event": "trial", "trial_id": trial_id, **shown, "source_sha": "0"})
        events[-1]["num_parameters"] = 1
    for epoch in range(1, 7):
        for place, trial_id in enumerate(rates):
            told = {"metrics": {"accuracy": epoch / 10 + place / 100}, "seconds": float(epoch)}
            events.append({"event": "report", "trial_id": trial_id, "epoch": epoch, **told})
        if epoch == 2:
            events.append(exploit("00001", "00000", 2, 8e-3))
        if epoch == 4:
            events.append(exploit("00002", "00001", 4, 9e-3))
    return History().after(events)


def exploit(trial_id: str, parent: str, epoch: int, rate: float) -> dict[str, Any]:
    """The event of a copy with another learning rate."""
    values = FIRST | {"learning_rate": rate}
    known = {"source_sha": "1", "schedule": [], "metrics": {"accuracy": 0.1}, "seconds": 1.0}
    return {
        "event": "exploit",
        "trial_id": trial_id,
        "parent": parent,
        "epoch": epoch,
        "values": values,
        **known,
    }


def view() -> SearchView:
    """The population, ready to be drawn."""
    return view_of(population(), made_space())


def test_a_trial_trains_in_pieces() -> None:
    """Each copy begins a piece, with the epoch after which it began and its own values."""
    pieces = schedules(view())["00001"]

    told = [(p.parent, p.after, p.until, p.values["learning_rate"]) for p in pieces]
    assert told == [("", 0, 2, 1e-4), ("00000", 2, 6, 8e-3)]


def test_the_weights_of_the_best_have_one_past() -> None:
    """Going back through copies gives, without a gap, what the best trial's weights saw."""
    past = ancestry(schedules(view()), "00002")

    told = [(p.trial_id, p.after, p.until, p.values["learning_rate"]) for p in past]
    assert told == [("00000", 0, 2, 1e-2), ("00001", 2, 4, 8e-3), ("00002", 4, 6, 9e-3)]


def test_schedules_are_drawn(tmp_path: Path) -> None:
    """A population has its picture, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = draw_search(population(), made_space(), tmp_path, names=["schedules"])

    assert [path.name for path in written] == ["schedules.png"]
    assert written[0].stat().st_size > 10_000
