"""Searches that never ran: spaces, and journals of trials drawn from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from raygen.config.space import Choice, Condition, Float, Int, Parameter, Space
from raygen.runs.records import History

Values = Mapping[str, Any]
Score = Callable[[Values, np.random.Generator], float]

PARAMETERS = (
    Parameter("learning_rate", Float(1e-5, 1e-1, log=True), "training"),
    Parameter("units", Int(16, 512, log=True)),
    Parameter("layers", Int(1, 4)),
    Parameter("optimizer", Choice(("adamw", "sgd")), "training"),
    Parameter("momentum", Float(0.5, 0.99), "training", Condition("optimizer", ("sgd",))),
    Parameter("dropout", Float(0.0, 0.5, step=0.1), "training"),
    Parameter("batch_norm", Choice((True, False))),
    Parameter("fixed", Choice(("only",))),
)
EPOCHS = 10


def made_space(parameters: tuple[Parameter, ...] = PARAMETERS) -> Space:
    """A space without layers: pictures look at parameters only."""
    return Space(name="made-up", layers=(), parameters=parameters)


def searched(
    count: int,
    score: Score,
    *,
    metric: str = "accuracy",
    space: Space | None = None,
    fails: Callable[[Values], bool] = lambda values: False,
    rungs: tuple[int, ...] = (EPOCHS,),
    begin: Mapping[str, Any] | None = None,
    curve: Callable[[float, int], float] | None = None,
) -> History:
    """The history of random trials; each ends at one of the rungs, one second an epoch.

    Args:
        count: Trials.
        score: Of a trial's values, at its last epoch.
        metric: What the score is.
        space: What the values are drawn from.
        fails: Whether a trial with these values fails at once.
        rungs: Epochs at which trials end, in turn; the last is that of a whole training.
        begin: More fields of the event ``begin``.
        curve: A trial's score after an epoch, of its score at the end; by default the same.
    """
    rng = np.random.default_rng(0)
    events: list[dict[str, Any]] = [
        {"event": "begin", "metric": metric, **(begin or {})},
        {"event": "search", "time": 1000.0},
    ]
    time = 1000.0
    for number in range(count):
        values = (space or made_space()).sample(rng)
        trial = {"trial_id": f"{number:05d}"}
        shown = {"values": values, "candidate": str(number), "source_sha": "0" * 64}
        shown["num_parameters"] = 1000 + 17 * (number % 50)
        events.append({"event": "trial", "time": time, **trial, **shown})
        if fails(values):
            said = {"state": "nan", "error": "accuracy is nan"}
            events.append({"event": "end", "time": time + 1, **trial, **said})
            time += 1
            continue
        last, final = rungs[number % len(rungs)], score(values, rng)
        for epoch in range(1, last + 1):
            time += 1
            value = curve(final, epoch) if curve else final
            told = {"epoch": epoch, "metrics": {metric: value, "latency": 1 / (1 + abs(final))}}
            events.append({"event": "report", "time": time, **trial, **told, "seconds": epoch})
        state = "finished" if last == rungs[-1] else "stopped"
        events.append({"event": "end", "time": time, **trial, "state": state})
    return History().after(events)


def steep(values: Values, rng: np.random.Generator) -> float:
    """Better the higher the learning rate, up to the end of its range; the rest is noise."""
    return 0.1 * math.log10(values["learning_rate"]) + float(rng.normal(0, 0.01))


def noise(values: Values, rng: np.random.Generator) -> float:
    """Nothing matters."""
    return float(rng.normal(0.5, 0.1))
