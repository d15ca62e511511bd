"""How much of the spread over the folds is chance: what do other first weights change?"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy import special

from raygen.execute.job import Job
from raygen.execute.pool import Pool
from raygen.execute.run import Run
from raygen.rank.diagnosis import Diagnosis
from raygen.rank.scored import Terms
from raygen.runs.records import History, State

_LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """The scores of one candidate, on the same folds with several seeds."""

    std: float
    """Over the seeds of a fold: the root of the mean of the folds' variances."""
    freedom: int
    """Its degrees of freedom."""
    std_of_folds: float
    """Over the folds, of their means."""
    scores: tuple[tuple[float, ...], ...]
    """By fold; the first seed is that of the ranking."""


def train_seeds(run: Run, pool: Pool, trial_id: str) -> None:
    """Train a candidate on the folds of the first deal with further seeds, what is not done yet."""
    rank = run.experiment.rank
    wanted = [
        (fold, seed)
        for seed in range(1, rank.seeds)
        for fold in range(rank.folds)
        if (trial_id, fold, seed) not in run.history.seeds
    ]
    jobs = [((fold, seed), _job(run, trial_id, fold, seed)) for fold, seed in wanted]
    for (fold, seed), message in pool.run(jobs):
        if not message.state.is_over() or message.state is State.LOST:
            continue
        score = None if message.state.has_failed() else message.metrics[run.blueprint.metric]
        run.record("seed", trial_id=trial_id, fold=fold, seed=seed, score=score)
        run.forget_job(_job(run, trial_id, fold, seed))


def _job(run: Run, trial_id: str, fold: int, seed: int) -> Job:
    job = run.job(trial_id, fold=fold)
    return replace(job, seed=seed, checkpoint=f"{job.checkpoint}-seed-{seed}", out_of_fold="")


def seeds_of(history: History, trial_id: str, terms: Terms) -> Seeds | None:
    """What is known of a candidate's seeds; None if each fold has one alone."""
    scores = []
    for fold in range(terms.folds):
        known = [score for key, score in history.seeds.items() if key[:2] == (trial_id, fold)]
        first = history.folds[trial_id, fold].metrics[history.metric]
        scores.append((float(first), *(float(score) for score in known if score is not None)))
    freedom = sum(len(each) - 1 for each in scores)
    if not freedom:
        return None
    within = math.fsum(float(np.var(each)) * len(each) for each in scores) / freedom
    return Seeds(
        std=math.sqrt(within),
        freedom=freedom,
        std_of_folds=float(np.std([np.mean(each) for each in scores], ddof=1)),
        scores=tuple(scores),
    )


def unstable(seeds: Seeds, rope: float) -> Diagnosis | None:
    """Say that chance alone makes a difference in practice.

    That is so if the standard deviation over the seeds is above the ROPE with 95 % confidence:
    nu s^2 / chi^2(0.95, nu), the lower end of its one-sided interval, is above its square.
    """
    if seeds.std <= 1e-12 * (1 + seeds.std_of_folds):  # equal but for the rounding
        return None
    quantile = float(special.chdtri(seeds.freedom, 1 - _LEVEL))
    if seeds.freedom * seeds.std**2 / quantile <= rope**2:
        return None
    count = max(len(each) for each in seeds.scores)
    told = f"standard deviation {seeds.std:.2g} over {count} seeds on the same fold"
    return Diagnosis(
        "unstable over seeds", f"{told}, {seeds.std_of_folds:.2g} over the folds' means"
    )


def seeds_json(seeds: Seeds | None) -> dict[str, Any] | None:
    """For the board."""
    if seeds is None:
        return None
    return asdict(seeds) | {"scores": [list(each) for each in seeds.scores]}
