"""What may stand below ``search``: how candidates are found, and how long they train."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from raygen.config.section import Conditions, Duration, Known, Number, Section, Text


class Search(Section):
    """How candidates are found and how long they train."""

    algorithm: Literal[
        "random",
        "grid",
        "sobol",
        "hyperopt",
        "hyperopt-adaptive",
        "hyperopt-anneal",
        "skopt-gp",
        "skopt-trees",
        "skopt-boosting",
        "bayesopt",
        "optuna-tpe",
        "optuna-gp",
        "optuna-cmaes",
        "optuna-nsga2",
        "optuna-nsga3",
        "evolution",
        "reinforce",
        "bohb",
        "gp",
        "auto",
    ] = "auto"
    """Who proposes the candidates."""
    scheduler: Literal[
        "fifo",
        "asha",
        "asha-promote",
        "hyperband",
        "bohb",
        "median",
        "pbt",
        "pb2",
        "extrapolate",
        "resources",
    ] = "asha"
    """Who stops the weak ones early; fifo stops none."""
    acquisition: Text | None = None
    """How a model of the scores chooses: EI, LCB, PI, hedge or UCB, where the algorithm has it."""
    trials: Annotated[int, Field(ge=1)] | None = 20
    """Candidates to try, those of earlier sessions included; `null` for no limit."""
    max_epochs: Annotated[int, Field(ge=1)] = 20
    """Epochs of a candidate that is never stopped; beside `model.pretrained` 3 by default."""
    time_budget: Duration | None = 30 * 60.0
    """Time after which no new trial begins; `null` for no limit."""
    total_epochs: Annotated[int, Field(ge=1)] | None = None
    """Epochs of all trials together after which no new trial begins."""
    target: Number | None = None
    """Score at which the search ends; of the first metric."""
    plateau: Annotated[int, Field(ge=1)] | None = None
    """The search ends when so many trials in a row brought no better score."""
    repeats: Annotated[int, Field(ge=1)] = 1
    """How often each candidate is trained, each time with another seed; searched by the mean."""
    constraints: Conditions = ()
    """What must hold of a candidate before it is trained, such as `width * depth <= 512` or
    `num_parameters <= 1e6`."""
    evaluate: Literal["fold", "folds"] = "fold"
    """What a trial is scored by: one fold (fold), or the mean of all `rank.folds` times
    `rank.repeats`, one after the other (folds), which the ranking takes over; for fifo alone."""
    start_from: Known = ()
    """What is known already: folders of RayGen or Ray Tune runs, storages of Optuna studies, or
    mappings of values, which are tried first."""
    hang_timeout: Duration = 10 * 60.0
    """Time without a sign of life after which a trial counts as hung."""
    retries: Annotated[int, Field(ge=0)] = 2
    """How often a trial whose process died is tried again."""
