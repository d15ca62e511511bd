"""Which parameters decide how good a trial is, and which make no difference that can be seen?"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raygen.config.domain import Choice, Domain, Float, same
from raygen.errors import EnvironmentProblem, RunError
from raygen.report.canvas import COLOURS, GREY, new_figure
from raygen.report.scale import shortened
from raygen.report.view import SearchView

LEAST_TRIALS = 10
"""With fewer scores the importances are those of the dice."""
_MOST_TRIALS = 1000
"""Of a larger search so many are drawn, so that it takes seconds."""
_SHUFFLES = 20
_TOP = 5
"""Trials that must count as good; the method's authors advise as many."""


@dataclass(frozen=True, kw_only=True)
class Importance:
    """What one parameter's share is."""

    name: str
    share: float
    """Of the importances of all parameters, which add up to 1."""
    noise: float
    """What share it could seem to have if scores were dealt to the trials by chance: in one of
    twenty such deals some parameter goes that far."""
    trials: int
    """Those with a score in which it was active."""

    @property
    def matters(self) -> bool:
        """Whether it is more than chance."""
        return self.share > self.noise


@dataclass(frozen=True, kw_only=True)
class Importances:
    """The importances of all parameters, largest first, and how they were found."""

    method: str
    trials: int
    """Those with a score that were looked at."""
    good: float
    """The share of trials that counts as good."""
    parameters: tuple[Importance, ...]


@lru_cache(maxsize=1)  # the picture, its numbers and the advice ask in turn
def importances(view: SearchView) -> Importances:
    """Conditional PED-ANOVA, as Optuna has it: how otherwise good trials lie than all trials.

    A parameter that is active in some trials only is compared among those, and weighted by how
    many they are. Watanabe, Bansal, Hutter: PED-ANOVA (IJCAI 2023), theorem 1; for conditions
    Conditional PED-ANOVA (2026), theorem 4.2.

    Raises:
        EnvironmentProblem: Optuna is not installed.
        RunError: There are fewer than ten trials with a score, or all scores are the same.
    """
    check_importances(view)
    from optuna.importance import PedAnovaImportanceEvaluator  # a second

    chosen = _chosen(view)
    goodness = view.goodness[chosen]
    quantile = min(max(0.1, _TOP / len(chosen)), 0.5)
    evaluator = PedAnovaImportanceEvaluator(target_quantile=quantile)
    study, names = _study(view, chosen)
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says at each call that lower is better
        found = _shares(evaluator, study, names, goodness)
        dealt = [
            _shares(evaluator, study, names, rng.permutation(goodness)) for _ in range(_SHUFFLES)
        ]
    total = max(float(found.sum()), 1e-12)
    usual = np.mean(dealt, axis=0)
    # one deal in so many has a parameter that stands out more than this from what it usually has
    noise = usual * np.max(np.array(dealt) / np.maximum(usual, 1e-12))
    rows = [
        Importance(
            name=name,
            share=float(found[index]) / total,
            noise=float(noise[index]) / total,
            trials=sum(name in view.trials[place].current for place in chosen),
        )
        for index, name in enumerate(names)
    ]
    rows.sort(key=lambda row: -row.share)
    method = "PED-ANOVA (Optuna)"
    return Importances(method=method, trials=len(chosen), good=quantile, parameters=tuple(rows))


def check_importances(view: SearchView) -> None:
    """Refuse to tell importances that would not be true.

    Raises:
        EnvironmentProblem: Optuna is not installed.
        RunError: There is too little to tell them from.
    """
    scored = len(view.ranked)
    if scored < LEAST_TRIALS:
        raise RunError(
            f"{scored} trials have a score",
            where="importance",
            must=f"it takes {LEAST_TRIALS}",
            remedy="raise search.trials",
        )
    if len({float(score) for score in view.scores[view.ranked]}) == 1:
        raise RunError(
            "all trials have the same score", where="importance", must="some must differ"
        )
    if not view.parameters:
        raise RunError("no parameter has two values", where="importance", must="some must differ")
    if importlib.util.find_spec("optuna") is None:
        raise EnvironmentProblem(
            "optuna is not installed",
            where="importance",
            remedy="type pip install 'raygen[optuna]'",
        )
    if int((found := importlib.metadata.version("optuna")).split(".")[0]) < 5:
        raise EnvironmentProblem(
            f"optuna {found} is installed",
            where="importance",
            must="it takes 5, which knows conditional parameters",
            remedy="type pip install -U 'raygen[optuna]'",
        )


def importance_figure(view: SearchView) -> Any:
    """The importances as bars, as a matplotlib Figure.

    Raises:
        EnvironmentProblem: Optuna is not installed.
        RunError: There is too little to tell them from.
    """
    found = importances(view)
    rows = found.parameters
    figure = new_figure(8, 1.7 + 0.28 * len(rows), view.headline)
    axis = figure.subplots()
    places = np.arange(len(rows))
    colours = [COLOURS[0] if row.matters else GREY for row in rows]
    axis.barh(places, [row.share for row in rows], color=colours, height=0.7)
    noise = [min(row.noise, 1.0) for row in rows]
    end = max(*noise, *(row.share for row in rows))
    axis.scatter(noise, places, marker="|", s=70, color="black")
    for place, row in enumerate(rows):
        seen = "" if row.trials == found.trials else f"  (active in {row.trials})"
        text = f" {100 * row.share:.0f} %{seen}"
        beside = row.share < noise[place] < row.share + (0.2 if seen else 0.08) * end
        at = noise[place] if beside else row.share
        axis.annotate(text, (at, place), va="center", fontsize=8)
    axis.set_yticks(places, [shortened(row.name, 40) for row in rows])
    axis.set(xlim=(0, 1.25 * end), ylim=(len(rows) - 0.4, -0.6))
    axis.set_xlabel("share of the importance")
    figure.supxlabel(
        f"for being among the best {100 * found.good:.0f} %: {found.method} over {found.trials} "
        "trials; | is how far chance could go",
        fontsize=8,
    )
    axis.set_xticks([tick for tick in axis.get_xticks() if tick <= 1])
    axis.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    axis.grid(False, axis="y")
    axis.set_title("Which parameters matter (grey: no more than chance could give)")
    return figure


def _chosen(view: SearchView) -> NDArray[np.int64]:
    ranked = view.ranked
    if len(ranked) <= _MOST_TRIALS:
        return np.sort(ranked)
    return np.sort(np.random.default_rng(0).choice(ranked, _MOST_TRIALS, replace=False))


def _shares(
    evaluator: Any, study: Any, names: list[str], goodness: NDArray[np.float64]
) -> NDArray[np.float64]:
    found = evaluator.evaluate(study, target=lambda trial: -goodness[trial.number])
    return np.array([found.get(name, 0.0) for name in names])


def _study(view: SearchView, chosen: NDArray[np.int64]) -> tuple[Any, list[str]]:
    """An Optuna study in memory with the trials as they were, and the names it knows."""
    import optuna

    kinds = {parameter.name: _distribution(parameter.domain) for parameter in view.parameters}
    domains = {parameter.name: parameter.domain for parameter in view.parameters}
    said = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would tell of every study
    study = optuna.create_study(direction="maximize")
    optuna.logging.set_verbosity(said)
    trials = []
    for place in chosen:
        values = {
            name: _optuna_value(value, domains[name])
            for name, value in view.trials[place].current.items()
            if name in domains and domains[name].contains(value)
        }
        trials.append(
            optuna.trial.create_trial(
                params=values,
                distributions={name: kinds[name] for name in values},
                value=float(view.goodness[place]),
            )
        )
    study.add_trials(trials)
    return study, [name for name in kinds if any(name in trial.params for trial in trials)]


def _distribution(domain: Domain) -> Any:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(domain, Choice):
        return CategoricalDistribution([str(index) for index in range(len(domain.options))])
    if isinstance(domain, Float):
        if domain.step is not None and domain.size is not None:
            return IntDistribution(0, domain.size - 1)
        return FloatDistribution(domain.low, domain.high, log=domain.log)
    high = domain.low + (domain.size - 1) * domain.step
    return IntDistribution(domain.low, high, log=domain.log, step=domain.step)


def _optuna_value(value: Any, domain: Domain) -> Any:
    """Options become their places, as Optuna takes True and 1 for the same; steps their number."""
    if isinstance(domain, Choice):
        return str(next(i for i, option in enumerate(domain.options) if same(option, value)))
    if isinstance(domain, Float):
        return float(value) if domain.step is None else round((value - domain.low) / domain.step)
    return int(value)
