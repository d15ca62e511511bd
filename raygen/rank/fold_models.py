"""Trains the chosen candidate once without each fold; what all of these say together is scored."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from raygen.execute.job import Job
from raygen.execute.pool import Pool
from raygen.execute.run import Run
from raygen.rank.leaderboard import Entry
from raygen.runs.records import State
from raygen.tasks.fragments import metrics
from raygen.tasks.task import METRICS


def train_fold_models(run: Run, pool: Pool, entry: Entry) -> None:
    """Train a candidate without each fold, what is not done yet, and keep all weights.

    One that fails is told, and tried again by the next command.
    """
    trial_id, weights = entry.trial_id, run.paths.ensemble_weights
    if run.history.fold_models.trial_id != trial_id:
        shutil.rmtree(weights, ignore_errors=True)  # of another one
    folds = range(run.experiment.rank.scores)
    missing = [fold for fold in folds if not _is_there(run, trial_id, fold)]
    if missing:
        run.say(f"fold models: {trial_id} is trained once without each of {len(folds)} folds")
    for fold, message in pool.run([(fold, _job(run, trial_id, fold)) for fold in missing]):
        if not message.state.is_over():
            continue
        job = _job(run, trial_id, fold)
        if message.state is not State.FINISHED:  # the winner is there, and more is not needed
            run.say(f"no fold model of {trial_id} without fold {fold}: {message.error}")
            continue
        run.record("fold_model", trial_id=trial_id, fold=fold, seconds=message.seconds)
        run.forget_job(job)
    if all(_is_there(run, trial_id, fold) for fold in folds):
        names = [f"0-{fold}" for fold in folds]  # as ensemble.py calls them
        (weights / "members.json").write_text(json.dumps(names), encoding="utf-8")


def fold_models_json(run: Run, entry: Entry) -> dict[str, Any]:
    """What the board says of the mean of an entry's fold models.

    Each row was seen by all of them but one, so folds cannot score it, only the test rows can:
    ``test`` is empty until all are trained.
    """
    count, known = run.experiment.rank.scores, run.history.fold_models
    done = all(_is_there(run, entry.trial_id, fold) for fold in range(count))
    return {
        "kind": "folds",
        "mean": None,
        "std": None,
        "folds": [],
        "members": {entry.trial_id: count},
        "interval": None,
        "posterior": None,
        "num_parameters": count * entry.num_parameters,
        "seconds": round(sum(known.seconds.values()), 3) if done else 0.0,
        "test": _scores(run, entry.trial_id) if done else {},
    }


def _is_there(run: Run, trial_id: str, fold: int) -> bool:
    known = run.history.fold_models
    trained = known.trial_id == trial_id and fold in known.seconds
    return trained and Path(_job(run, trial_id, fold).tested).exists()


def _job(run: Run, trial_id: str, fold: int) -> Job:
    """The training of a fold that also leaves its weights and predicts the test rows."""
    job, weights = run.job(trial_id, fold=fold), run.paths.ensemble_weights / f"0-{fold}"
    return replace(
        job,
        checkpoint=f"{job.checkpoint}-model",
        out_of_fold="",
        weights=str(weights),
        tested=str(weights / "tested.npz"),
    )


def _scores(run: Run, trial_id: str) -> dict[str, float]:
    """The scores of the mean of what all predict of the test rows; as many as the winner has."""
    parts = []
    for fold in range(run.experiment.rank.scores):
        with np.load(_job(run, trial_id, fold).tested, allow_pickle=False) as file:
            parts.append(file["predictions"].astype(float))
    together, y = np.mean(parts, axis=0), run.rows()["y_test"]
    names = [name for name in run.history.test["metrics"] if name in METRICS]
    return {name: float(getattr(metrics, name)(y, together)) for name in names}
