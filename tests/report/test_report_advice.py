from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from searched import EPOCHS, Values, made_space, noise, searched, steep

from raygen.config.space import Choice, Float, Int, Parameter
from raygen.report.advice import Advice, advice_of
from raygen.report.view import view_of
from raygen.runs.records import History


def codes(history: History, **options: Any) -> dict[str, Advice]:
    """The advice on a search of the usual space, by its codes."""
    view = view_of(history, options.pop("space", made_space()))
    found = advice_of(view, with_importance=options.pop("with_importance", False))
    return {advice.code: advice for advice in found}


def middle(values: Values, rng: np.random.Generator) -> float:
    """Best in the middle of the learning rate's range."""
    return -((math.log10(values["learning_rate"]) + 3) ** 2) + float(rng.normal(0, 0.01))


def slow(final: float, epoch: int) -> float:
    """A curve that rises to its end."""
    return final * epoch / EPOCHS


def fast(final: float, epoch: int) -> float:
    """A curve that is flat after half of its epochs."""
    return final * (1 - 4.0**-epoch)


def test_a_best_value_on_the_edge_is_told_with_its_evidence() -> None:
    """The range, the side and the count of the best trials there are named; JSON can hold it."""
    advice = codes(searched(80, steep))["edge"]

    assert advice.message.startswith("best learning_rate 0.0")
    assert "lies on the edge of its range [1e-5, 0.1]" in advice.message
    assert advice.message.endswith("widen it upwards")
    assert advice.evidence["on_the_edge"] >= 5
    assert advice.evidence["chance"] < 0.01
    json.dumps(advice.evidence, allow_nan=False)


def test_low_scores_that_are_good_have_edges_too() -> None:
    """Where lower is better, the lowest scores are the best ones."""
    advice = codes(searched(80, steep, metric="log_loss"))["edge"]

    assert advice.evidence["end"] == "low"
    assert advice.message.endswith("widen it downwards")


@pytest.mark.parametrize("score", [middle, noise], ids=["middle", "noise"])
def test_no_edge_is_made_up(score: Any) -> None:
    """Neither an optimum inside the range nor chance gives advice to widen it."""
    assert "edge" not in codes(searched(200, score))


@pytest.mark.parametrize(
    "parameter",
    [
        Parameter("dropout", Float(0.0, 0.5)),
        Parameter("layers", Int(1, 30)),
        Parameter("label_smoothing", Float(0.0, 0.5), "training"),
    ],
    ids=lambda parameter: parameter.name,
)
def test_an_edge_by_nature_cannot_be_widened(parameter: Parameter) -> None:
    """No dropout below 0, no fewer layers than 1."""
    space = made_space((parameter,))

    found = codes(searched(80, lambda v, rng: -v[parameter.name], space=space), space=space)

    assert "edge" not in found


def test_failures_are_told_with_where_they_lie() -> None:
    """The range in which trials failed is found, and how many outside of it did."""
    found = codes(searched(80, middle, fails=lambda v: v["learning_rate"] > 0.01))

    evidence = found["failures"].evidence
    assert evidence["where"].startswith("learning_rate >= 0.01")
    assert evidence["failed"] == evidence["trials"] > 8
    assert ", 0 of the " in found["failures"].message


def test_failures_of_one_option_are_found() -> None:
    """An option is named as such."""
    found = codes(searched(80, middle, fails=lambda v: v["optimizer"] == "sgd"))

    assert found["failures"].evidence["where"] == "optimizer sgd"


def test_failures_everywhere_blame_no_value() -> None:
    """Where failing has nothing to do with values, the error speaks."""
    found = codes(searched(80, middle, fails=lambda v: int(v["learning_rate"] * 1e12) % 4 == 0))

    assert "where" not in found["failures"].evidence
    assert found["failures"].message.endswith("nan): accuracy is nan")


def test_a_few_failures_are_no_advice() -> None:
    """One trial in fifty may fail."""
    assert "failures" not in codes(searched(80, middle, fails=lambda v: v["learning_rate"] > 0.09))


def test_curves_that_still_rise_want_more_epochs() -> None:
    """All of the best were still improving when their epochs were used up."""
    advice = codes(searched(30, lambda v, rng: 1 + rng.random(), curve=slow))["more_epochs"]

    assert "all of the best 5 trials were still improving" in advice.message
    assert f"after {EPOCHS} epochs" in advice.message
    assert min(advice.evidence["late_gains"]) > 0.05


def test_flat_or_short_curves_want_none() -> None:
    """Neither a curve that has flattened nor the best that were stopped ask for epochs."""
    flat = searched(30, lambda v, rng: 1 + rng.random(), curve=fast)
    stopped = searched(30, lambda v, rng: 1 + rng.random(), curve=slow, rungs=(9, EPOCHS))

    assert "more_epochs" not in codes(flat)
    assert "more_epochs" not in codes(stopped)


def test_a_long_plateau_is_enough() -> None:
    """Half of the trials brought nothing and the best are as good as the best: enough."""
    scores = iter([0.9, *np.linspace(0.2, 0.899, 99).round(2)])

    found = codes(searched(100, lambda v, rng: min(float(next(scores)) * 1.2, 0.9)))

    assert found["enough"].evidence["since"] == 99
    assert "the last 99 of 100 scored trials brought nothing" in found["enough"].message


def test_a_lucky_first_half_is_not_enough() -> None:
    """In noise the best often comes early; that alone says nothing about what is to come."""
    scores = iter([0.95, *np.linspace(0.2, 0.9, 99)])

    assert "enough" not in codes(searched(100, lambda v, rng: float(next(scores))))


def test_few_parameters_that_matter_are_named() -> None:
    """The one that decides is told with its share and the method."""
    advice = codes(searched(80, steep), with_importance=True)["importance"]

    assert advice.message.startswith("only 1 of 7 parameters matters (learning_rate ")
    assert "PED-ANOVA (Optuna) over 80 trials" in advice.message


def test_nothing_matters_in_noise() -> None:
    """Importances of chance are not told as facts."""
    assert "importance" not in codes(searched(80, noise), with_importance=True)


@pytest.mark.parametrize("count", [0, 1, 4, 9])
def test_a_short_search_gets_no_advice(count: int) -> None:
    """Nothing is said with too few trials, however clear it seems."""
    history = searched(count, steep, curve=slow, fails=lambda v: v["learning_rate"] > 0.05)

    assert set(codes(history, with_importance=True)) <= {"failures"}
    assert advice_of(view_of(History(), made_space())) == []


def test_a_trade_off_has_no_best_end() -> None:
    """With two metrics neither edges nor a plateau of the first are told."""
    objectives = [{"name": "accuracy", "mode": "max"}, {"name": "num_parameters", "mode": "min"}]

    assert codes(searched(80, steep, begin={"objectives": objectives})) == {}


def test_rare_values_of_small_ranges_are_no_edge() -> None:
    """Of three depths a third of all trials lie on each end; four of the best five are chance."""
    space = made_space((Parameter("depth", Int(2, 4)), Parameter("kind", Choice(("a", "b")))))
    left = {4: 4, 2: 1}

    def score(values: Values, rng: np.random.Generator) -> float:
        """Good for the first four of depth 4 and the first of depth 2."""
        depth = values["depth"]
        left[depth] = left.get(depth, 0) - 1
        return 1.0 + depth / 100 if left[depth] >= 0 else 0.5

    history = searched(24, score, space=space)

    assert left[4] < 0
    assert left[2] < 0
    assert "edge" not in codes(history, space=space)
