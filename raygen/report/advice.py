"""What should be done differently next time, and which numbers say so?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from raygen.config.domain import Choice, Domain
from raygen.config.space import Parameter
from raygen.config.training import TRAINING_SETTINGS
from raygen.errors import RaygenError
from raygen.report.chance import binomial_tail, rank_sum_tail
from raygen.report.failures import densest_region
from raygen.report.importance import importances
from raygen.report.scale import number_text, places_of
from raygen.report.texts import score_text
from raygen.report.view import SearchView
from raygen.runs.records import State

_FEW = 5
"""Best trials that must agree before anything is said of them."""
_LEAST = 20
"""Trials with a score before anything is said of the space or the budget."""
_DOUBT = 0.05
"""How likely all of a kind of advice may be by chance alone, over all parameters together."""
_EDGE = 0.1
"""The share of a range that is its edge."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One thing to do, and why."""

    code: str
    message: str
    """One line."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """The numbers behind it, as JSON can hold them."""


def advice_of(view: SearchView, *, with_importance: bool = True) -> list[Advice]:
    """All that the trials say; of too few trials nothing.

    Args:
        view: The search.
        with_importance: Whether to ask for importances too, which takes Optuna and a second.
    """
    found = _failures(view)
    if len(view.objectives) == 1:  # of a trade-off no end is the best one
        found += [*_edges(view), *_more_epochs(view), *_enough(view)]
    return [*found, *(_few_matter(view) if with_importance else [])]


def _failures(view: SearchView) -> list[Advice]:
    """Failed trials, and the one value or range that tells them from the others, if one does."""
    over = [place for place, trial in enumerate(view.trials) if trial.state.is_over()]
    failed = np.array([view.trials[place].state.has_failed() for place in over], dtype=bool)
    count = int(failed.sum())
    if count < 3 or count < 0.1 * len(over):
        return []
    kinds = Counter(view.trials[p].state for p in over if view.trials[p].state.has_failed())
    told = ", ".join(f"{n} {state.value.replace('_', ' ')}" for state, n in kinds.most_common())
    message = f"{count} of {len(over)} trials failed ({told})"
    evidence: dict[str, Any] = {
        "failed": count,
        "ended": len(over),
        "states": {state.value: n for state, n in kinds.items()},
    }
    region = densest_region(view, over, failed)
    if region is not None and region.chance < _DOUBT:
        message += (
            f": {region.failed} of the {region.trials} with {region.where}, "
            f"{count - region.failed} of the {len(over) - region.trials} others"
        )
        evidence |= region.__dict__
    else:
        errors = Counter(view.trials[p].error for p in over if view.trials[p].error)
        said = errors.most_common(1)[0][0] if errors else ""
        message += f": {' '.join(said.split())[:100]}" if said else ""
    return [Advice(code="failures", message=message, evidence=evidence)]


def _edges(view: SearchView) -> list[Advice]:
    """Parameters whose best values lie on the edge of a range that could be wider."""
    if len(view.ranked) < _LEAST:
        return []
    tests = 2 * max(sum(not isinstance(p.domain, Choice) for p in view.parameters), 1)
    found = []
    for parameter in view.parameters:
        for end in ("high", "low"):
            advice = None if isinstance(parameter.domain, Choice) else _edge(view, parameter, end)
            if advice is not None and tests * advice.evidence["chance"] < _DOUBT:
                found.append(advice)
    return found


def _edge(view: SearchView, parameter: Parameter, end: str) -> Advice | None:
    domain = parameter.domain
    if isinstance(domain, Choice) or not _can_widen(parameter, end):
        return None
    values = [view.trials[place].current.get(parameter.name) for place in view.ranked]
    x = places_of(values, domain)
    active = np.flatnonzero(np.isfinite(x))
    best = active[: max(_FEW, math.ceil(len(active) / 10))]
    if len(active) < _LEAST or best[0] != 0:  # the best trial of all does not have it
        return None
    near = x >= 1 - _EDGE if end == "high" else x <= _EDGE
    hits, usual = int(near[best].sum()), _edge_share(domain, end)
    if not near[best[0]] or hits < 0.6 * len(best):
        return None
    # a searcher may have crowded there for one lucky trial: then the others there are no better
    goodness = view.goodness[view.ranked]
    edge, inner = goodness[active[near[active]]], goodness[active[~near[active]]]
    value, text = values[0], number_text
    return Advice(
        code="edge",
        message=(
            f"best {parameter.name} {text(value)} lies on the edge of its range "
            f"[{text(domain.low)}, {text(domain.high)}], as in {hits} of the best {len(best)} "
            f"trials: widen it {'upwards' if end == 'high' else 'downwards'}"
        ),
        evidence={
            "parameter": parameter.name,
            "end": end,
            "best": value,
            "range": [domain.low, domain.high],
            "best_trials": len(best),
            "on_the_edge": hits,
            "chance": max(binomial_tail(hits, len(best), usual), rank_sum_tail(edge, inner)),
        },
    )


def _can_widen(parameter: Parameter, end: str) -> bool:
    """Whether values beyond an end make sense; 0, 1 layer and a share of 1 are ends by nature."""
    domain = parameter.domain
    bound = domain.low if end == "low" else domain.high  # type: ignore[union-attr]  # no Choice
    setting = TRAINING_SETTINGS.get(parameter.name)
    if setting is not None and not setting.options:
        return setting.low < bound if end == "low" else bound < setting.high
    if end == "low":
        return bound > (1 if isinstance(bound, int) else 0)
    return not (isinstance(bound, float) and bound == 1.0)


def _edge_share(domain: Domain, end: str) -> float:
    """The share of all draws that lie on the edge of a range."""
    if domain.size is None or domain.size > 1000:
        return _EDGE
    places = places_of(domain.grid(domain.size), domain)
    near = places >= 1 - _EDGE if end == "high" else places <= _EDGE
    if not getattr(domain, "log", False):
        return float(near.mean())
    # neighbours stand closer to each other at the high end; a value's share is the room it has
    bounds = np.concatenate([[0.0], (places[1:] + places[:-1]) / 2, [1.0]])
    return float(np.diff(bounds)[near].sum())


def _more_epochs(view: SearchView) -> list[Advice]:
    """The best trials were still getting better when their epochs were used up."""
    best = [view.trials[p] for p in view.ranked[: max(_FEW, math.ceil(len(view.ranked) / 10))]]
    if len(view.ranked) < 2 * _FEW or any(trial.state is not State.FINISHED for trial in best):
        return []
    epochs = {len(trial.curve) for trial in best}
    last = min(epochs)
    gains = [_late_gain(trial.curve, view.mode) for trial in best]
    if len(epochs) > 1 or last < 5 or min(gains) < 0.05:
        return []
    usual = float(np.median(gains))
    return [
        Advice(
            code="more_epochs",
            message=(
                f"all of the best {len(best)} trials were still improving when they ended after "
                f"{last} epochs ({100 * usual:.0f} % of their gain came in the last fifth): "
                "raise search.max_epochs"
            ),
            evidence={"best_trials": len(best), "epochs": last, "late_gains": gains},
        )
    ]


def _late_gain(curve: tuple[float, ...], mode: str) -> float:
    """The mean of the last fifth over that of the fifth before, as a share of all that was won."""
    sign = 1.0 if mode == "max" else -1.0
    up = sign * np.array(curve)
    fifth = max(len(up) // 5, 1)
    whole = float(up.max() - up[0])
    return float(up[-fifth:].mean() - up[-2 * fifth : -fifth].mean()) / whole if whole > 0 else 0.0


def _enough(view: SearchView) -> list[Advice]:
    """Half of the trials have brought nothing, and the best ones are as good as the best."""
    ranked = view.ranked
    if len(ranked) < 2 * _LEAST:
        return []
    since = int((ranked > ranked[0]).sum())
    few = ranked[: max(_FEW, len(ranked) // 10)]
    best, median = view.goodness[ranked[0]], float(np.median(view.goodness[ranked]))
    width = float(best - view.goodness[few[-1]])
    if since < 0.5 * len(ranked) or not width <= 0.02 * (best - median):
        return []
    trial = view.trials[ranked[0]].trial_id
    return [
        Advice(
            code="enough",
            message=(
                f"the last {since} of {len(ranked)} scored trials brought nothing better than "
                f"{view.metric} {score_text(view.scores[ranked[0]])} (trial {trial}), and the best "
                f"{len(few)} differ by {score_text(width)}: more of the same will bring little"
            ),
            evidence={
                "since": since,
                "trials": len(ranked),
                "best_trials": len(few),
                "spread": width,
                "below_median": float(best - median),
            },
        )
    ]


def _few_matter(view: SearchView) -> list[Advice]:
    """A few parameters decide, and the others could be fixed."""
    if len(view.ranked) < 2 * _LEAST or len(view.parameters) < 4:
        return []
    try:
        found = importances(view)
    except RaygenError:
        return []
    rows = [row for row in found.parameters if row.matters]
    share = sum(row.share for row in rows)
    if not rows or share < 0.8 or len(rows) > len(found.parameters) / 2:
        return []
    told = ", ".join(f"{row.name} {100 * row.share:.0f} %" for row in rows)
    few = f"only {len(rows)} of {len(found.parameters)} parameters"
    return [
        Advice(
            code="importance",
            message=(
                f"{few} matter{'s' if len(rows) == 1 else ''} ({told}; {found.method} over "
                f"{found.trials} trials): fix the others, or search these more finely"
            ),
            evidence={
                "method": found.method,
                "trials": found.trials,
                "shares": {row.name: row.share for row in found.parameters},
                "noise": {row.name: row.noise for row in found.parameters},
            },
        )
    ]
