"""Drives Ray Tune through one search, from wherever the journal says it stands."""

from __future__ import annotations

import math
import shutil
import time

from ray import tune

from raygen.errors import TrialError
from raygen.execute.run import Run
from raygen.search.proposer import Proposer
from raygen.search.recorder import Recorder
from raygen.search.schedulers import SCHEDULERS, FiniteASHA, keep_warm
from raygen.search.strategies import load_strategy
from raygen.search.strategies.strategy import Terms
from raygen.search.trial import Trial
from raygen.tasks.task import METRICS


def search(run: Run) -> None:
    """Try candidates until the budget is used up; journal and history hold the result.

    Raises:
        TrialError: Not one trial ended with a score.
    """
    history, config = run.history, run.experiment.search
    if not history.searched.covers(config.trials, config.time_budget):
        ended = sum(trial.state.is_over() for trial in history.trials.values())
        reason = _tune(run, config.trials - ended) if ended < config.trials else "trials"
        if run.interruption:
            return
        run.record("searched", trials=config.trials, time_budget=config.time_budget, reason=reason)
    if not any(trial.is_scored() for trial in history.trials.values()):
        errors = [trial.error for trial in history.trials.values() if trial.error]
        raise TrialError(
            f"none of {len(history.trials)} trials ended with a score",
            must=f"the last one said: {errors[-1]}"
            if errors
            else "search.time_budget is too short",
            remedy=f"see {run.paths.folder}/trials/*/log.txt" if errors else "raise it",
        )


def _tune(run: Run, num_trials: int) -> str:
    """Let Ray Tune run so many trials; returns what ended them."""
    config, budget = run.experiment, run.experiment.search.time_budget
    left_s = math.inf if budget is None else budget - run.history.search_seconds
    deadline = time.monotonic() + left_s
    run.record("search")
    terms = Terms(
        space=run.blueprint.space,
        seed=config.seed,
        max_epochs=config.search.max_epochs,
        trials=config.search.trials,
        workers=run.room,
    )
    strategy = load_strategy(config.search.algorithm, terms)
    proposer = Proposer(run, strategy, deadline)
    trainable = tune.with_resources(
        tune.with_parameters(Trial, arrays=run.arrays, worker=run.worker),
        {"CPU": config.resources.cpus_per_trial, "GPU": config.resources.gpus_per_trial},
    )
    scheduler = SCHEDULERS[config.search.scheduler](config.search.max_epochs)
    if isinstance(scheduler, FiniteASHA):
        for trial in run.history.trials.values():
            if trial.is_scored():
                scheduler.recall(trial.trial_id, [proposer.sign * value for value in trial.curve])
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            metric="score",
            mode=METRICS[run.blueprint.metric],
            search_alg=proposer,
            scheduler=keep_warm(scheduler, run.room),
            num_samples=num_trials,
            max_concurrent_trials=run.room,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="search",
            storage_path=str(run.paths.tune.resolve()),
            callbacks=[Recorder(run, proposer.tell)],
            stop=_UntilInterrupted(run),
            failure_config=tune.FailureConfig(max_failures=config.search.retries),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    tuner.fit()
    shutil.rmtree(run.paths.tune, ignore_errors=True)
    ended = sum(trial.state.is_over() for trial in run.history.trials.values())
    if ended >= config.search.trials:
        return "trials"
    return "time budget" if time.monotonic() > deadline else "nothing new to try"


class _UntilInterrupted(tune.Stopper):  # type: ignore[misc]  # Ray has no types
    """Ends the search in good order when a stop was asked for."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __call__(self, trial_id: str, result: dict[str, object]) -> bool:
        """Leave single trials to the scheduler."""
        return False

    def stop_all(self) -> bool:
        """Whether to end now."""
        return bool(self._run.interruption)
