"""Drives Ray Tune through one search, from wherever the journal says it stands."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from functools import partial
from typing import Any

from ray import tune
from ray.tune.progress_reporter import TrialProgressCallback

from raygen.errors import TrialError
from raygen.execute.run import Run
from raygen.execute.waiting import Waiting
from raygen.runs.records import History, State
from raygen.search.budget import Budget, is_covered, num_trials
from raygen.search.candidates import Candidates
from raygen.search.dead_workers import forgive_resets
from raygen.search.ended import forget_ended
from raygen.search.exploit import Moves, settle
from raygen.search.known import first_candidates, known_scores
from raygen.search.measures import Measures
from raygen.search.placing import place_workers
from raygen.search.proposer import Proposer
from raygen.search.recorder import Recorder, journal_first
from raygen.search.schedulers import (
    SCHEDULERS,
    SchedulerTerms,
    keep_warm,
    load_scheduler,
    milestones,
    pool_size,
)
from raygen.search.strategies import load_strategy
from raygen.search.strategies.auto import choose_algorithm
from raygen.search.strategies.strategy import Terms
from raygen.search.trial import Trial, trial_config, trial_resources
from raygen.source.schedule import mutable_parameters


def search(run: Run) -> None:
    """Try candidates until the budget is used up; journal and history hold the result.

    Raises:
        TrialError: Not one trial ended with a score.
    """
    history, config = run.history, run.experiment.search
    refused = ""
    if not is_covered(history, config):
        reason, refused = _tune(run)
        if run.interruption:
            return
        run.record(
            "searched",
            trials=None if config.trials is None else num_trials(config),
            time_budget=config.time_budget,
            total_epochs=config.total_epochs,
            target=config.target,
            plateau=config.plateau,
            reason=reason,
        )
    if not any(trial.is_scored() for trial in history.trials.values()):
        raise _no_score(run, refused)


def _tune(run: Run) -> tuple[str, str]:
    """Let Ray Tune run trials; returns what ended them, and why proposals were refused, if so."""
    config, history = run.experiment.search, run.history
    budget = Budget(
        config,
        sign=run.blueprint.objectives[0].sign,
        seconds_before=history.search_seconds,
    )
    algorithm, why = _algorithm(run)
    waiting = Waiting(run.experiment.resources, run.say, lambda: run.places.shunned)
    standing, measures = _Standing(run, waiting), Measures(run)
    candidates = Candidates(
        load_strategy(algorithm, _terms(run)),
        refusal=measures.refusal,
        first=first_candidates(run),
        repeats=config.repeats,
    )
    for values, scores in known_scores(run):
        candidates.recall(values, scores)
    row = SCHEDULERS[config.scheduler]
    # all of a population is proposed at once; else the room is asked for again and again
    limit = pool_size(config.scheduler, _scheduler_terms(run)) if row.mutates else None
    counts = row.pauses or row.mutates  # Tune would count paused trials too
    proposer = Proposer(
        run,
        candidates,
        budget,
        measure=measures.of,
        is_full=lambda: standing.awake() >= (limit or run.room),
        is_idle=lambda: not (counts and standing.alive()),
        configure=_configure(run),
    )
    ended = sum(trial.state.is_over() for trial in history.trials.values())
    left = num_trials(config) - ended
    if left > 0 and not budget.closed():
        settle(run)
        run.record("search", algorithm=algorithm, reason=why)
        _fit(run, proposer, standing, _Ending(run, budget), left)
        if not run.interruption:
            _end_those_left(run, proposer)
    measures.close()
    reason = budget.closed()
    if not reason:
        begun = len(history.trials)
        reason = "trials" if begun >= num_trials(config) else "nothing new to try"
    return reason, proposer.refused


def _fit(
    run: Run, proposer: Proposer, standing: _Standing, ending: _Ending, num_samples: int
) -> None:
    """Run Ray Tune to its end."""
    config = run.experiment
    row = SCHEDULERS[config.search.scheduler]
    # its own state is scratch to us: that it cannot be saved, on a full disk, is nobody's concern
    logging.getLogger("ray.tune.execution.experiment_state").setLevel(logging.CRITICAL)
    scheduler = load_scheduler(config.search.scheduler, _scheduler_terms(run, proposer))
    _recall(scheduler, run.history)
    recorder = Recorder(run, proposer.learn)
    trainable = tune.with_resources(
        tune.with_parameters(Trial, arrays=run.arrays, worker=run.worker), trial_resources(run)
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            metric="score",
            mode=run.blueprint.objectives[0].mode,
            search_alg=proposer,
            scheduler=forget_ended(
                keep_warm(
                    forgive_resets(place_workers(journal_first(scheduler, recorder), run)),
                    lambda: run.room,
                )
            ),
            num_samples=-1 if row.pauses or row.mutates else num_samples,
            reuse_actors=row.reuses_workers,
        ),
        run_config=tune.RunConfig(
            name="search",
            storage_path=str(run.paths.tune.resolve()),
            callbacks=[recorder, standing],
            stop=ending,
            failure_config=tune.FailureConfig(max_failures=config.search.retries),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    tuner.fit()
    shutil.rmtree(run.paths.tune, ignore_errors=True)


def _algorithm(run: Run) -> tuple[str, str]:
    """The searcher, and why; a run goes on with the one it began with."""
    wanted = run.experiment.search.algorithm
    if wanted != "auto":
        return wanted, "search.algorithm"
    if run.history.algorithm:
        return run.history.algorithm, "as the run began"
    return choose_algorithm(_terms(run))


def _terms(run: Run) -> Terms:
    config = run.experiment
    options = {"acquisition": config.search.acquisition} if config.search.acquisition else {}
    return Terms(
        space=run.blueprint.space,
        seed=config.seed,
        objectives=len(run.blueprint.objectives),
        max_epochs=config.search.max_epochs,
        trials=config.search.trials,
        workers=run.room,
        options=options,
    )


def _scheduler_terms(run: Run, proposer: Proposer | None = None) -> SchedulerTerms:
    config = run.experiment
    return SchedulerTerms(
        space=run.blueprint.space,
        max_epochs=config.search.max_epochs,
        mode=run.blueprint.objectives[0].mode,
        objectives=len(run.blueprint.objectives),
        seed=config.seed,
        workers=run.room,
        trials=config.search.trials,
        values_of=lambda trial: run.history.trials[trial.config["trial_id"]].current,
        mutable=tuple(each.name for each in mutable_parameters(run.blueprint.space)),
        move=None if proposer is None else Moves(run, _configure(run)),
        more=proposer.more if proposer is not None else lambda: False,
    )


def _configure(run: Run) -> Callable[[str], dict[str, Any]]:
    """From the number of a trial, what Tune is to start it with."""
    name = run.experiment.search.scheduler
    held = milestones(name, _scheduler_terms(run))
    return partial(trial_config, run, milestones=held, kept=SCHEDULERS[name].mutates)


def _recall(scheduler: Any, history: History) -> None:
    """Tell a scheduler that can remember what the trials of earlier sessions came to.

    The last epoch of a trial that goes on is left to the trial, which tells it once more: what
    follows from it is not in the journal, so it is to be decided again.
    """
    if not hasattr(scheduler, "recall"):
        return
    for trial in history.trials.values():
        if trial.curve and not trial.state.has_failed():
            over = trial.state.is_over()
            rewards = history.rewards(trial.trial_id)
            settled = rewards if over or trial.is_decided() else rewards[:-1]
            scheduler.recall(trial.trial_id, settled, over=over)


def _end_those_left(run: Run, proposer: Proposer) -> None:
    """End in the journal what an epoch budget, a target or a plateau has cut off."""
    for trial in list(run.history.trials.values()):
        if not trial.state.is_over():
            run.record("end", trial_id=trial.trial_id, state=State.STOPPED.value)
            run.forget_checkpoint(trial.trial_id, 0)
            proposer.learn(run.history.trials[trial.trial_id])


def _no_score(run: Run, refused: str) -> TrialError:
    trials = run.history.trials.values()
    if refused:
        return TrialError(
            "no candidate may be trained",
            must=f"of the last one: {refused}",
            remedy="loosen search.constraints, or widen the space",
        )
    errors = [trial.error for trial in trials if trial.error]
    told = f"the last one said: {errors[-1]}" if errors else "search.time_budget is too short"
    return TrialError(
        f"none of {len(trials)} trials ended with a score",
        must=told,
        remedy=f"see {run.paths.folder}/trials/*/log.txt" if errors else "raise it",
    )


class _Standing(TrialProgressCallback):  # type: ignore[misc]  # Ray has no types
    """Sees Tune's trials, and whether they wait for room.

    It takes the place of the callback that Tune adds for its own screen, which keeps every trial
    and its last result even where it prints nothing.
    """

    def __init__(self, run: Run, waiting: Waiting) -> None:
        self._trials: list[Any] = []
        self._run, self._waiting = run, waiting

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """Leave nothing of it in what Ray Tune pickles for a restore."""
        return (object, ())

    def on_step_begin(self, iteration: int, trials: list[Any], **_: Any) -> None:
        """Take Tune's own list; it is always up to date."""
        self._trials = trials
        running = [trial for trial in trials if trial.status == "RUNNING"]
        if not running:
            self._waiting.note(waits=any(trial.status == "PENDING" for trial in trials))
        elif self._run.experiment.resources.grouped:  # whose processes may still have no room
            paths = [self._run.paths.trial(trial.config["trial_id"]) for trial in running]
            self._waiting.note(waits=all(each.is_waiting for each in paths))
        else:
            self._waiting.note(waits=False)

    def alive(self) -> bool:
        """Whether a trial could still go on."""
        return any(not trial.is_finished() for trial in self._trials)

    def on_trial_result(self, *_: Any, **__: Any) -> None:
        """Print nothing."""

    def on_trial_error(self, *_: Any, **__: Any) -> None:
        """Print nothing."""

    def on_trial_complete(self, *_: Any, **__: Any) -> None:
        """Print nothing."""

    def awake(self) -> int:
        """Trials that run or wait for a worker."""
        return sum(trial.status in ("PENDING", "RUNNING") for trial in self._trials)


class _Ending(tune.Stopper):  # type: ignore[misc]  # Ray has no types
    """Ends the search in good order when a stop was asked for or the budget is spent."""

    def __init__(self, run: Run, budget: Budget) -> None:
        self._run, self._budget = run, budget

    def __call__(self, trial_id: str, result: dict[str, object]) -> bool:
        """Leave single trials to the scheduler."""
        return False

    def stop_all(self) -> bool:
        """Whether to end now."""
        return bool(self._run.interruption) or bool(self._budget.spent())
