"""How is the user's own objective scored: by which metrics, and is more or less of each better?"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from raygen.errors import ConfigError
from raygen.tasks.task import MEASURES, METRICS, Mode, Objective

_LESS_IS_BETTER = {
    *("loss", "losses", "error", "err", "rmse", "mse", "mae", "mape", "nll", "perplexity", "ppl"),
    *("wer", "cer", "regret", "cost", "latency", "seconds", "time", "memory", "flops"),
}
"""Last words of names that leave no doubt."""


def custom_objectives(
    metrics: Sequence[str], modes: Sequence[Mode], *, where: Callable[[str], str]
) -> tuple[Objective, ...]:
    """What a Custom task is searched by; the first is also what it is ranked by.

    Args:
        metrics: As the YAML names them.
        modes: As the YAML gives them; if none, they follow from names that leave no doubt.
        where: Says where a key of the YAML stands.

    Raises:
        ConfigError: There is no metric, one is given twice, or a direction is missing.
    """
    if not metrics:
        raise ConfigError(
            "missing",
            where=where("task.metric"),
            must="a Custom task must name what it reports",
            remedy="for example `metric: loss`",
        )
    if len(set(metrics)) < len(metrics):
        raise ConfigError(
            "a metric given twice", where=where("task.metric"), must="all must differ"
        )
    if metrics[0] == "seconds" or "epoch" in metrics:
        name = "epoch" if "epoch" in metrics else metrics[0]
        must = "the epoch is no score, and seconds may only follow one"
        raise ConfigError(f"{name!r} given", where=where("task.metric"), must=must)
    if modes and len(modes) != len(metrics):
        raise ConfigError(
            f"{len(modes)} modes given for {len(metrics)} metrics",
            where=where("task.mode"),
            must="there must be one for each",
            remedy=f"for example `mode: [{', '.join(['min'] * len(metrics))}]`",
        )
    directions = modes or tuple(_usual_mode(name, where("task.mode")) for name in metrics)
    return tuple(Objective(*pair) for pair in zip(metrics, directions, strict=True))


def _usual_mode(metric: str, where: str) -> Mode:
    """The direction of a metric that needs not be told."""
    known = METRICS | MEASURES
    if metric in known:
        return known[metric]
    if (re.findall(r"[a-z]+", metric.lower()) or [""])[-1] in _LESS_IS_BETTER:
        return "min"
    raise ConfigError(
        "missing",
        where=where,
        must=f"whether more or less of {metric!r} is better must be told",
        remedy="write `mode: max` or `mode: min`",
    )
