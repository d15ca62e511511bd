"""Which candidate is first by its folds, and how sure is that?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raygen.rank.choice import choose
from raygen.rank.diagnosis import Patient, diagnose
from raygen.rank.leaderboard import Entry, Verdict
from raygen.rank.scored import Scored, Terms, contenders_of, scored_trials, sign_of
from raygen.rank.statistics import friedman_nemenyi, mean_interval, posterior_of
from raygen.runs.records import History

_USUAL_ROPE = 0.01
"""As a part of the best mean, where the YAML gives none."""
BOUNDS = {
    **dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1", "auc"), (0.0, 1.0)),
    **dict.fromkeys(("log_loss", "rmse", "mae"), (0.0, math.inf)),
    "r2": (-math.inf, 1.0),
}
"""Between which a metric must lie, and so its mean."""


def rank_entries(history: History, trial_ids: Sequence[str], terms: Terms) -> list[Entry]:
    """Order the trials: the chosen one, then by their gap to the best mean.

    A trial with a fold that failed is left out: the mean of the others would flatter it. The best
    mean is that of a trial with all folds; those that were stopped before are compared with it on
    the folds that both have. There is nothing to rank if no trial has all folds.
    """
    found = scored_trials(history, trial_ids, terms)
    if not found:
        return []
    contenders = contenders_of(found, terms)
    chosen = choose(contenders, terms.choose).place
    rope = _rope_of(found[0].scores, terms)
    patients = [
        Patient(
            curve=[sign_of(history) * s for s in (each.trial.curve if terms.curves else ())],
            sign=sign_of(history),
            results=each.results,
            scores=each.scores,
            tied=contender.tied,
            guess=terms.guess,
        )
        for each, contender in zip(found, contenders, strict=True)
    ]
    entries = []
    order = [chosen, *(place for place in range(len(found)) if place != chosen)]
    for rank, place in enumerate(order, start=1):
        criteria = found[place].criteria
        verdict = Verdict(
            tied=contenders[place].tied,
            folds_run=len(found[place].scores),
            posterior=posterior_against(found[place].scores, found[chosen].scores, rope, terms),
            aicc=criteria.aicc if criteria else None,
            bic=criteria.bic if criteria else None,
            diagnosis=diagnose(patients, place, rope=rope),
        )
        entries.append(_entry(rank, found[place], history.metric, terms, verdict))
    return entries


def ranking_json(history: History, trial_ids: Sequence[str], terms: Terms) -> dict[str, Any]:
    """What the board says beside its entries and the test: how it was chosen, what was saved.

    ``optimism`` tells how far the search flattered the chosen one: its score on fold 0, by which
    the search found it, and its mean on the other folds. It is None where fold 0 has fewer rows to
    train on than the others, and where nothing was searched.
    """
    found = scored_trials(history, trial_ids, terms)
    contenders = contenders_of(found, terms)
    choice = choose(contenders, terms.choose)
    scores = [sign_of(history) * score for score in found[choice.place].scores]
    others = float(np.mean(scores[1:]))
    rope = _rope_of(found[0].scores, terms)
    return {
        "terms": {
            "folds": terms.folds,
            "repeats": terms.repeats,
            "rope": rope,
            **({"window": terms.window} if terms.window else {}),
        },
        "chosen": {"by": terms.choose, "why": choice.why},
        "tied": [
            each.trial.trial_id
            for each, contender in zip(found, contenders, strict=True)
            if contender.tied
        ],
        "fold_fits": {
            "run": sum(trial_id in trial_ids for trial_id, _ in history.folds),
            "full": terms.scores * len(trial_ids),
        },
        "optimism": None
        if terms.ordered or not terms.searched
        else {
            "search": scores[0],
            "other_folds": others,
            "difference": sign_of(history) * (scores[0] - others),
        },
        "test_looks": history.test_looks,
        "ranks": _ranks([each for each in found if len(each.scores) == terms.scores], terms),
    }


def _ranks(complete: Sequence[Scored], terms: Terms) -> dict[str, Any] | None:
    """Friedman's and Nemenyi's tests over the repeats; None of fewer than three candidates."""
    if len(complete) < 3 or terms.repeats < 2:
        return None
    blocks = np.array([each.scores for each in complete], dtype=float)
    found = friedman_nemenyi(blocks.reshape(len(complete), terms.repeats, -1).mean(axis=2))
    names = [each.trial.trial_id for each in complete]
    return {
        "mean_ranks": dict(zip(names, found.mean_ranks, strict=True)),
        "critical_difference": found.critical_difference,
        "statistic": found.statistic,
        "p": found.p,
        "blocks": terms.repeats,
    }


def _rope_of(scores: Sequence[float], terms: Terms) -> float:
    """Difference that makes none in practice, by the leader's scores if nobody said it."""
    return _USUAL_ROPE * abs(float(np.mean(scores))) if terms.rope is None else terms.rope


def posterior_against(
    scores: Sequence[float], first: Sequence[float], rope: float, terms: Terms
) -> Mapping[str, float] | None:
    """What the difference to the first says, on the folds that both have; None of a single one."""
    shared = min(len(first), len(scores))
    differences = np.subtract(scores[:shared], first[:shared])
    found = posterior_of(differences, test_share=terms.test_share)
    if found is None:
        return None
    parts = dict(zip(("worse", "same", "better"), found.split(rope), strict=True))
    return {**parts, "mean": found.mean, "scale": found.scale, "freedom": found.freedom}


def mean_within(
    values: Sequence[float], metric: str, *, test_share: float
) -> tuple[float, float] | None:
    """The interval of the mean of a metric, without what no mean can be."""
    found = mean_interval(values, test_share=test_share)
    if found is None or metric not in BOUNDS:
        return found
    lowest, highest = BOUNDS[metric]
    return max(found[0], lowest), min(found[1], highest)


def _entry(rank: int, scored: Scored, metric: str, terms: Terms, verdict: Verdict) -> Entry:
    trial = scored.trial
    values = [float(result.metrics[metric]) for result in scored.results]
    return Entry(
        rank=rank,
        trial_id=trial.trial_id,
        candidate=dict(trial.current),
        source_sha=trial.source_sha,
        mean=float(np.mean(values)),
        std=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        folds=tuple(values),
        num_parameters=trial.num_parameters,
        seconds=round(sum(result.seconds for result in scored.results), 3),
        interval=mean_within(values, metric, test_share=terms.test_share),
        verdict=verdict,
    )
