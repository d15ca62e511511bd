"""Which scores has each candidate, and how far does it lie behind the best?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raygen.rank.choice import Contender
from raygen.rank.criteria import Criteria, held_out_criteria
from raygen.rank.race import tied_for_first
from raygen.runs.records import FoldResult, History, TrialRecord


@dataclass(frozen=True, kw_only=True)
class Terms:
    """By what candidates are ranked."""

    folds: int
    """Of one cross-validation."""
    repeats: int = 1
    ordered: bool = False
    """Whether each fold trains on some of the other rows alone, such as those before it."""
    window: int | None = None
    """Rows that each training sees at most, the last ones; None for all."""
    ratio: float | None = None
    """The mean of n_test / n_train over the folds, where they were looked at."""
    choose: str = "mean"
    """A key of ``choice.RULES``."""
    rope: float | None = None
    searched: bool = True
    """Whether a search chose the candidates by fold 0."""
    curves: bool = True
    """Whether their scores in the search are those after each epoch."""
    guess: float | None = None
    """The log loss of guessing by the shares of the classes; None where there are none."""
    num_rows: int = 0
    """Training rows; 0 if they are not counted."""

    @property
    def scores(self) -> int:
        """Scores of a candidate that was trained on all folds of all repeats."""
        return self.folds * self.repeats

    @property
    def test_share(self) -> float:
        """The part of the rows on which a fold is scored; in order, by the mean over the folds."""
        ratio = self.ratio
        if ratio is None and not self.ordered:
            return 1 / self.folds
        if ratio is None:
            ratio = math.fsum(1 / (1 + fold) for fold in range(self.folds)) / self.folds
        return ratio / (1 + ratio)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A trial all of whose folds so far have a score."""

    trial: TrialRecord
    results: Sequence[FoldResult]
    scores: Sequence[float]
    """Higher is better."""
    criteria: Criteria | None


def scored_trials(history: History, trial_ids: Sequence[str], terms: Terms) -> list[Scored]:
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
        whole = len(ends) == terms.folds and not terms.ordered  # each row held out once
        criteria = held_out_criteria(ends, trial.num_parameters, terms.num_rows) if whole else None
        found.append(Scored(trial=trial, results=results, scores=scores, criteria=criteria))
    complete = [each for each in found if len(each.scores) == terms.scores]
    if not complete:
        return []
    leader = max(complete, key=lambda each: float(np.mean(each.scores)))
    return sorted(found, key=lambda each: (each is not leader, _gap(leader.scores, each.scores)))


def contenders_of(found: Sequence[Scored], terms: Terms) -> list[Contender]:
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


def fold_scores(history: History, trial_id: str) -> list[float]:
    """A trial's scores on folds 0, 1, ... as far as there are any; NaN where one failed."""
    scores: list[float] = []
    while (result := history.folds.get((trial_id, len(scores)))) is not None:
        failed = result.state.has_failed()
        scores.append(math.nan if failed else sign_of(history) * result.metrics[history.metric])
    return scores


def sign_of(history: History) -> int:
    """What turns a metric into a score that is better when it is higher."""
    return 1 if history.mode == "max" else -1


def _gap(leader: Sequence[float], scores: Sequence[float]) -> float:
    """How far it lies behind the leader on the folds that both have."""
    shared = min(len(leader), len(scores))
    return float(np.mean(leader[:shared]) - np.mean(scores[:shared]))
