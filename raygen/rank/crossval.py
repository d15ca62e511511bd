"""Trains the best candidates on every fold, and the winner once on all training rows."""

from __future__ import annotations

from raygen.errors import TrialError
from raygen.execute.job import Job, Message
from raygen.execute.pool import Pool
from raygen.execute.run import Run
from raygen.rank.leaderboard import Entry, rank_entries
from raygen.rank.repeats import cells_of
from raygen.runs.records import State, TrialRecord


def crossvalidate(run: Run, pool: Pool) -> list[Entry]:
    """Score the best trials of the search on every fold; best first.

    A trial that the search trained to its end has its fold 0 already: it is the same program, the
    same rows and the same seeds, so the score would be the same bit for bit.

    Raises:
        TrialError: No candidate could be scored on all folds.
    """
    chosen = best_trials(run)
    for trial in chosen:
        _take_over_fold_0(run, trial)
    folds = range(run.experiment.rank.folds)
    jobs = [
        ((trial.trial_id, fold), run.job(trial.trial_id, fold=fold))
        for fold in folds
        for trial in chosen
        if not _is_done(run, trial.trial_id, fold)
    ]
    for (trial_id, fold), message in pool.run(jobs):
        _record_fold(run, trial_id, fold, message)
    if run.interruption:
        return []
    entries = rank_entries(run.history, [t.trial_id for t in chosen], num_folds=len(folds))
    if not entries:
        errors = [result.error for result in run.history.folds.values() if result.error]
        raise TrialError(
            "no candidate could be scored on all folds" if chosen else "no trial has a score yet",
            must=f"the last one said: {errors[-1]}" if errors else "",
            remedy=f"see {run.paths.folder}/trials/*/log.txt" if chosen else "type raygen search",
        )
    return entries


def _is_done(run: Run, trial_id: str, fold: int) -> bool:
    """Whether a fold needs no training; one whose worker was lost is tried by the next command."""
    result = run.history.folds.get((trial_id, fold))
    return result is not None and result.state is not State.LOST


def best_trials(run: Run) -> list[TrialRecord]:
    """The trials to rank, one of each candidate: those trained longest with the best means."""
    return [cell.trials[0] for cell in cells_of(run.history)[: run.experiment.rank.top]]


def fit_winner(run: Run, pool: Pool, winner: Entry) -> None:
    """Train the winner on all training rows and score the test rows, once and for all.

    Raises:
        TrialError: It could not be trained.
    """
    if run.history.test.get("trial_id") == winner.trial_id:
        return
    job: Job = run.job(winner.trial_id, fold=None)
    for _, message in pool.run([(None, job)]):
        if message.state is not State.FINISHED:
            raise TrialError(
                f"the winner, trial {winner.trial_id}, could not be trained on all rows",
                must=message.error,
            )
        run.record(
            "test",
            trial_id=winner.trial_id,
            metrics=message.metrics["test"],
            seconds=message.seconds,
        )
        run.forget_checkpoint(winner.trial_id, None)


def _take_over_fold_0(run: Run, trial: TrialRecord) -> None:
    if trial.state is State.FINISHED and (trial.trial_id, 0) not in run.history.folds:
        message = Message(
            state=trial.state, epoch=trial.epoch, metrics=trial.metrics, seconds=trial.seconds
        )
        _record_fold(run, trial.trial_id, 0, message)


def _record_fold(run: Run, trial_id: str, fold: int, message: Message) -> None:
    run.record(
        "fold",
        trial_id=trial_id,
        fold=fold,
        state=message.state.value,
        metrics=dict(message.metrics),
        epochs=message.epoch,
        seconds=message.seconds,
        error=message.error,
    )
    run.forget_checkpoint(trial_id, fold)
