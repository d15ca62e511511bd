"""Trains the best candidates on the folds, and the winner once on all training rows."""

from __future__ import annotations

import shutil
from typing import TypeAlias

import numpy as np

from raygen.errors import TrialError
from raygen.execute.job import Job, Message
from raygen.execute.pool import Pool
from raygen.execute.run import Run
from raygen.rank.folds import rank_entries
from raygen.rank.leaderboard import Entry
from raygen.rank.race import standing
from raygen.rank.repeats import cells_of
from raygen.rank.rows import Split
from raygen.rank.scored import Terms, fold_scores
from raygen.runs.records import State, TrialRecord
from raygen.source.candidate import Candidate

_Key: TypeAlias = tuple[str, int]
"""A trial and a fold."""


def crossvalidate(run: Run, pool: Pool) -> list[Entry]:
    """Score the best trials of the search on the folds; the chosen one first.

    A trial that the search trained to its end has its fold 0 already: it is the same program, the
    same rows and the same seeds, so the score would be the same bit for bit.

    Raises:
        TrialError: No candidate could be scored on all folds.
    """
    chosen = best_trials(run)
    _forget_predictions(run)
    for trial in chosen:
        _take_over_fold_0(run, trial)
    # one whose worker was lost is tried again by the next command, not by this one
    lost = {key for key, result in run.history.folds.items() if result.state is State.LOST}
    terms, trial_ids = terms_of(run), [trial.trial_id for trial in chosen]
    while True:
        missing = _missing(run, chosen, lost)
        entries = [] if missing else rank_entries(run.history, trial_ids, terms)
        missing = missing or _missing_of_first(run, entries)
        if not missing:
            break
        jobs = [(key, run.job(key[0], fold=key[1])) for key in missing]
        for (trial_id, fold), message in pool.run(jobs):
            if message.state.is_over():
                run.record_fold(trial_id, fold, message)
                lost.discard((trial_id, fold))
        if run.interruption:
            return []
    if not entries:
        errors = [result.error for result in run.history.folds.values() if result.error]
        raise TrialError(
            "no candidate could be scored on all folds" if chosen else "no trial has a score yet",
            must=f"the last one said: {errors[-1]}" if errors else "",
            remedy=f"see {run.paths.folder}/trials/*/log.txt" if chosen else "type raygen search",
        )
    return entries


def terms_of(run: Run) -> Terms:
    """By what the candidates of a run are ranked."""
    rank, y = run.experiment.rank, run.rows()["y"]
    by_epochs = run.experiment.search.evaluate == "fold"
    partial, ratio = (
        _looked_at(run, y) if rank.function or rank.window or rank.gap else (None, None)
    )
    return Terms(
        folds=rank.folds,
        repeats=rank.repeats,
        ordered=rank.split == "ordered" if partial is None else partial,
        window=rank.window,
        ratio=ratio,
        choose=rank.choose,
        rope=rank.rope,
        searched=run.experiment.task.files is None and by_epochs,
        curves=by_epochs,
        guess=_guess(y),
        num_rows=len(y),
    )


def _guess(y: np.ndarray) -> float | None:
    """The entropy of the shares of the classes, which is the log loss of guessing by them."""
    if y.ndim != 1 or y.dtype.kind not in "iu" or y.min(initial=0) < 0:
        return None
    shares = np.bincount(y) / len(y)
    return float(-np.sum(shares[shares > 0] * np.log(shares[shares > 0])))


def _looked_at(run: Run, y: np.ndarray) -> tuple[bool | None, float | None]:
    """Whether folds leave rows out, and their mean n_test / n_train; None where nobody can tell."""
    split: Split | None = getattr(run.blueprint, "split", None)  # files have their own
    if split is None:
        return None, None
    dealt = [split(y, fold) for fold in range(run.experiment.rank.folds)]
    held_out = sum(len(held) for _, held in dealt)
    whole = all(len(train) + len(held) == len(y) for train, held in dealt) and held_out == len(y)
    return not whole, float(np.mean([len(held) / len(train) for train, held in dealt]))


def _missing(run: Run, trials: list[TrialRecord], lost: set[_Key]) -> list[_Key]:
    """What is to be trained before the next look at the race, or at all; fold by fold."""
    total = run.experiment.rank.scores
    goals = dict.fromkeys(range(len(trials)), total)
    if run.experiment.rank.method == "race":
        scores = [_scores(run, trial.trial_id, lost) for trial in trials]
        goals = standing(scores, folds=total).goals
    keys = [
        (trials[place].trial_id, fold)
        for fold in range(total)
        for place, goal in goals.items()
        if fold < goal
    ]
    return [key for key in keys if key not in run.history.folds or key in lost]


def _scores(run: Run, trial_id: str, lost: set[_Key]) -> list[float]:
    """A trial's scores up to a fold that is to be tried again."""
    again = [fold for lost_id, fold in lost if lost_id == trial_id]
    return fold_scores(run.history, trial_id)[: min(again, default=None)]


def _missing_of_first(run: Run, entries: list[Entry]) -> list[_Key]:
    """The folds that the chosen one was stopped before; its mean shall be that of all."""
    folds = range(run.experiment.rank.scores)
    keys = [(entry.trial_id, fold) for entry in entries[:1] for fold in folds]
    return [key for key in keys if key not in run.history.folds]


def best_trials(run: Run) -> list[TrialRecord]:
    """The trials to rank, one of each candidate: those trained longest with the best means."""
    return [cell.trials[0] for cell in cells_of(run.history)[: run.experiment.rank.top]]


def _forget_predictions(run: Run) -> None:
    """Remove what trials far from the best have predicted of held-out rows.

    Each that was trained to its end has left it; a ranking of up to three times as many candidates
    may still ask for it.
    """
    spared = cells_of(run.history)[: 3 * run.experiment.rank.top]
    kept = {trial.trial_id for cell in spared for trial in cell.trials}
    for trial_id in run.history.trials:
        if trial_id not in kept:
            shutil.rmtree(run.paths.trial(trial_id).out_of_fold(0).parent, ignore_errors=True)


def fit_winner(run: Run, pool: Pool, winner: Entry) -> None:
    """Train the winner on all training rows and score the test rows, once and for all.

    Raises:
        TrialError: It could not be trained.
    """
    _fit(run, pool, winner.trial_id, f"the winner, trial {winner.trial_id},")


def _fit(run: Run, pool: Pool, trial_id: str, told: str) -> None:
    if run.history.test.get("trial_id") == trial_id:
        return
    job: Job = run.job(trial_id, fold=None)
    if run.history.fit.get("trial_id") != trial_id:
        run.record("fit", trial_id=trial_id, epoch=0, metrics={}, seconds=0.0)
    for _, message in pool.run([(None, job)]):
        if message.state is State.RUNNING:
            _record_epoch(run, trial_id, message)
            continue
        if message.state is not State.FINISHED:
            problem = f"{told} could not be trained on all rows"
            raise TrialError(problem, must=message.error, remedy=f"see {job.log}")
        run.record(
            "test", trial_id=trial_id, metrics=message.metrics["test"], seconds=message.seconds
        )
        run.forget_checkpoint(trial_id, None)


def _record_epoch(run: Run, trial_id: str, message: Message) -> None:
    """Record an epoch of a training on all rows, unless it is told again after a restart."""
    if message.epoch > run.history.fit["epoch"]:
        told = {"metrics": dict(message.metrics), "seconds": message.seconds}
        run.record("fit", trial_id=trial_id, epoch=message.epoch, **told)


def fit_candidate(run: Run, pool: Pool) -> TrialRecord:
    """Train the only candidate of a space without parameters on all training rows.

    Raises:
        TrialError: It could not be trained.
    """
    if not run.history.trials:
        candidate = Candidate({})
        source, paths = run.blueprint.render(candidate), run.paths.trial("00000")
        paths.folder.mkdir(parents=True, exist_ok=True)
        paths.model.write_text(source.text, encoding="utf-8")
        run.record(
            "trial",
            trial_id="00000",
            values={},
            candidate=candidate.id,
            source_sha=source.sha,
            num_parameters=run.blueprint.num_parameters(candidate),
        )
    trial = run.history.trials["00000"]
    _fit(run, pool, trial.trial_id, "the model")
    return trial


def _take_over_fold_0(run: Run, trial: TrialRecord) -> None:
    if trial.state is State.FINISHED and (trial.trial_id, 0) not in run.history.folds:
        message = Message(
            state=trial.state, epoch=trial.epoch, metrics=trial.metrics, seconds=trial.seconds
        )
        run.record_fold(trial.trial_id, 0, message)
