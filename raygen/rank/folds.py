"""Which candidate is first by its folds, and how sure is that?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raygen.rank.choice import Contender, choose
from raygen.rank.criteria import Criteria, held_out_criteria
from raygen.rank.diagnosis import Patient, diagnose
from raygen.rank.leaderboard import Entry, Verdict
from raygen.rank.race import tied_for_first
from raygen.rank.statistics import friedman_nemenyi, mean_interval, posterior_of
from raygen.runs.records import FoldResult, History, TrialRecord

_USUAL_ROPE = 0.01
"""As a part of the best mean, where the YAML gives none."""
_BOUNDS = {
    **dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1", "auc"), (0.0, 1.0)),
    **dict.fromkeys(("log_loss", "rmse", "mae"), (0.0, math.inf)),
    "r2": (-math.inf, 1.0),
}
"""Between which a metric must lie, and so its mean."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """By what candidates are ranked."""

    folds: int
    """Of one cross-validation."""
    repeats: int = 1
    ordered: bool = False
    """Whether each fold trains on the rows before it alone."""
    choose: str = "mean"
    """A key of ``choice.RULES``."""
    rope: float | None = None
    num_rows: int = 0
    """Training rows; 0 if they are not counted."""

    @property
    def scores(self) -> int:
        """Scores of a candidate that was trained on all folds of all repeats."""
        return self.folds * self.repeats

    @property
    def test_share(self) -> float:
        """The part of the rows on which a fold is scored; in order, by the mean over the folds."""
        if not self.ordered:
            return 1 / self.folds
        ratio = math.fsum(1 / (1 + fold) for fold in range(self.folds)) / self.folds
        return ratio / (1 + ratio)


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """A trial all of whose folds so far have a score."""

    trial: TrialRecord
    results: Sequence[FoldResult]
    scores: Sequence[float]
    """Higher is better."""
    criteria: Criteria | None


def rank_entries(history: History, trial_ids: Sequence[str], terms: Terms) -> list[Entry]:
    """Order the trials: the chosen one, then by their gap to the best mean.

    A trial with a fold that failed is left out: the mean of the others would flatter it. The best
    mean is that of a trial with all folds; those that were stopped before are compared with it on
    the folds that both have. There is nothing to rank if no trial has all folds.
    """
    found = _scored(history, trial_ids, terms)
    if not found:
        return []
    contenders = _contenders(found, terms)
    chosen = choose(contenders, terms.choose).place
    rope = _rope_of(found[0].scores, terms)
    patients = [
        Patient(
            curve=[_sign(history) * score for score in each.trial.curve],
            sign=_sign(history),
            results=each.results,
            scores=each.scores,
            tied=contender.tied,
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
            posterior=_posterior(found[place].scores, found[chosen].scores, rope, terms),
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
    train on than the others.
    """
    found = _scored(history, trial_ids, terms)
    contenders = _contenders(found, terms)
    choice = choose(contenders, terms.choose)
    scores = [_sign(history) * score for score in found[choice.place].scores]
    others = float(np.mean(scores[1:]))
    rope = _rope_of(found[0].scores, terms)
    return {
        "terms": {"folds": terms.folds, "repeats": terms.repeats, "rope": rope},
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
        if terms.ordered
        else {
            "search": scores[0],
            "other_folds": others,
            "difference": _sign(history) * (scores[0] - others),
        },
        "test_looks": history.test_looks,
        "ranks": _ranks([each for each in found if len(each.scores) == terms.scores], terms),
    }


def _ranks(complete: Sequence[_Scored], terms: Terms) -> dict[str, Any] | None:
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


def fold_scores(history: History, trial_id: str) -> list[float]:
    """A trial's scores on folds 0, 1, ... as far as there are any; NaN where one failed."""
    scores: list[float] = []
    while (result := history.folds.get((trial_id, len(scores)))) is not None:
        failed = result.state.has_failed()
        scores.append(math.nan if failed else _sign(history) * result.metrics[history.metric])
    return scores


def _sign(history: History) -> int:
    return 1 if history.mode == "max" else -1


def _scored(history: History, trial_ids: Sequence[str], terms: Terms) -> list[_Scored]:
    """The trials without a failed fold, the best mean of those with all folds first.

    The others follow by their gap to it; there are none if no trial has all folds.
    """
    found = []
    for trial_id in trial_ids:
        scores = fold_scores(history, trial_id)
        if not scores or math.isnan(sum(scores)):
            continue
        results = [history.folds[trial_id, fold] for fold in range(len(scores))]
        trial = history.trials[trial_id]
        ends = [result.metrics for result in results[: terms.folds]]
        whole = len(ends) == terms.folds  # each row held out once
        criteria = held_out_criteria(ends, trial.num_parameters, terms.num_rows) if whole else None
        found.append(_Scored(trial=trial, results=results, scores=scores, criteria=criteria))
    complete = [each for each in found if len(each.scores) == terms.scores]
    if not complete:
        return []
    leader = max(complete, key=lambda each: float(np.mean(each.scores)))
    return sorted(found, key=lambda each: (each is not leader, _gap(leader.scores, each.scores)))


def _contenders(found: Sequence[_Scored], terms: Terms) -> list[Contender]:
    """What the rule looks at."""
    scores = [each.scores for each in found]
    return [
        Contender(
            scores=each.scores,
            gap=_gap(scores[0], each.scores),
            tied=tied,
            complete=len(each.scores) == terms.scores,
            num_parameters=each.trial.num_parameters,
            latency_ms=each.trial.latency_ms,
            aicc=each.criteria.aicc if each.criteria else None,
        )
        for each, tied in zip(
            found, tied_for_first(scores, 0, test_share=terms.test_share), strict=True
        )
    ]


def _gap(leader: Sequence[float], scores: Sequence[float]) -> float:
    """How far it lies behind the leader on the folds that both have."""
    shared = min(len(leader), len(scores))
    return float(np.mean(leader[:shared]) - np.mean(scores[:shared]))


def _posterior(
    scores: Sequence[float], first: Sequence[float], rope: float, terms: Terms
) -> Mapping[str, float] | None:
    """Of the difference to the first on the folds that both have; None of a single one."""
    shared = min(len(first), len(scores))
    differences = np.subtract(scores[:shared], first[:shared])
    found = posterior_of(differences, test_share=terms.test_share)
    if found is None:
        return None
    parts = dict(zip(("worse", "same", "better"), found.split(rope), strict=True))
    return {**parts, "mean": found.mean, "scale": found.scale, "freedom": found.freedom}


def _interval(values: Sequence[float], metric: str, terms: Terms) -> tuple[float, float] | None:
    """The interval of the mean, without what no mean can be."""
    found = mean_interval(values, test_share=terms.test_share)
    if found is None or metric not in _BOUNDS:
        return found
    lowest, highest = _BOUNDS[metric]
    return max(found[0], lowest), min(found[1], highest)


def _entry(rank: int, scored: _Scored, metric: str, terms: Terms, verdict: Verdict) -> Entry:
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
        interval=_interval(values, metric, terms),
        verdict=verdict,
    )
