"""How would a search have gone: strategies and schedulers on recorded curves and a virtual clock.

``replay(space, curve, algorithm="hyperopt", scheduler="asha", max_epochs=50, trials=100)`` trains
nothing and starts no Ray. The strategy and the scheduler are the very objects of a real search.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ray.tune.schedulers import TrialScheduler

from raygen.config.space import Space
from raygen.search.candidates import Candidates
from raygen.search.replayed import Curve, Mode, Replayed, ReplayedTrial, Step
from raygen.search.schedulers import SchedulerTerms, load_scheduler, pool_size
from raygen.search.strategies import load_strategy
from raygen.search.strategies.strategy import Strategy, Terms, Values
from raygen.search.virtual_clock import VirtualBudget, VirtualCluster

__all__ = ["Curve", "Mode", "Replayed", "ReplayedTrial", "Step", "replay"]


def replay(
    space: Space,
    curve: Curve | None = None,
    *,
    algorithm: str | Callable[[Terms], Strategy],
    scheduler: str | Callable[[SchedulerTerms], TrialScheduler],
    max_epochs: int,
    workers: int = 1,
    seed: int = 0,
    trials: int | None = None,
    total_epochs: int | None = None,
    time_budget_s: float | None = None,
    mode: Mode | Sequence[Mode] = "max",
    seconds: Callable[[Values], float | Sequence[float]] | None = None,
    step: Step | None = None,
    startup_s: float = 0.0,
    decision_s: float = 0.0,
    begin_s: float = 0.0,
    first: Sequence[Values] = (),
    refusal: Callable[[Mapping[str, Any]], str] = lambda _: "",
    repeats: int = 1,
    options: Mapping[str, Any] | None = None,
    scheduler_options: Mapping[str, Any] | None = None,
) -> Replayed:
    """Search on recorded curves with a virtual clock.

    Events are told one after the other as Ray Tune tells them: a score goes to the scheduler and
    to the strategy; the last epoch and a failure end a trial without asking the scheduler. A
    trial that is paused goes on at its next epoch, nothing is computed twice. A trial that is
    moved goes on after the donor's epoch: on the curve of its new values, or, with ``step``, from
    the donor's state.

    Args:
        space: What is searched.
        curve: From values to the score of each epoch, in the given mode. NaN is a trial that
            failed, None a worker that died for good; a tuple has one number an objective.
        algorithm: Row of the table of strategies, or a function that makes one.
        scheduler: Row of the table of schedulers, or a function that makes one.
        max_epochs: Epochs of a trial that nobody ends.
        workers: Trials at a time.
        seed: Every random choice follows from it.
        trials: Most trials.
        total_epochs: Most epochs over all trials; what still runs then is stopped.
        time_budget_s: Virtual seconds after which no trial begins.
        mode: Direction, or one for each objective.
        seconds: From values to the seconds of an epoch, or of each; one second by default.
        step: Instead of a curve: from (values, epoch, state after the epoch before; None before
            the first) to (score, state).
        startup_s: From the moment that a trial is given a worker to the start of its next epoch.
        decision_s: The driver's time for one event; it takes one after the other, and the trial
            waits.
        begin_s: The driver's time to begin a trial, or to wake it.
        first: Known candidates, tried before the strategy is asked.
        refusal: Why values must not be trained; empty if they may.
        repeats: Trials of each candidate.
        options: Of the strategy.
        scheduler_options: Of the scheduler.

    Raises:
        ValueError: Neither a curve nor a step is given, or nothing limits the search.
    """
    if (curve is None) == (step is None):
        raise ValueError("one of curve and step must be given")
    if trials is None and total_epochs is None and time_budget_s is None:
        raise ValueError("one of trials, total_epochs and time_budget_s must be given")
    modes: tuple[Mode, ...] = (mode,) if isinstance(mode, str) else tuple(mode)  # type: ignore[assignment,unused-ignore]
    terms = Terms(
        space=space,
        seed=seed,
        objectives=len(modes),
        max_epochs=max_epochs,
        trials=trials,
        workers=workers,
        options=options or {},
    )
    strategy = load_strategy(algorithm, terms) if isinstance(algorithm, str) else algorithm(terms)
    clock = VirtualCluster(
        candidates=Candidates(strategy, refusal=refusal, first=first, repeats=repeats),
        modes=modes,
        max_epochs=max_epochs,
        workers=workers,
        budget=VirtualBudget(
            trials=math.inf if trials is None else trials,
            epochs=math.inf if total_epochs is None else total_epochs,
            seconds=math.inf if time_budget_s is None else time_budget_s,
        ),
        curve=curve,
        step=step,
        seconds=seconds,
        startup_s=startup_s,
        decision_s=decision_s,
        begin_s=begin_s,
    )
    hooks = SchedulerTerms(
        space=space,
        max_epochs=max_epochs,
        mode=modes[0],
        objectives=len(modes),
        seed=seed,
        workers=workers,
        trials=trials,
        values_of=lambda trial: trial.values,
        move=clock.move,
        more=clock.has_more,
        options=scheduler_options or {},
    )
    pool = workers
    if isinstance(scheduler, str):
        found = load_scheduler(scheduler, hooks)
        pool = pool_size(scheduler, hooks) or 0
    else:
        found = scheduler(hooks)
    found.set_search_properties("score", modes[0])
    return clock.run(found, pool)
