from __future__ import annotations

import math
from typing import Any

import pytest
from searched import Values, made_space, noise, searched, steep

from raygen.config.space import Choice, Float, Int, Parameter
from raygen.errors import EnvironmentProblem, RunError
from raygen.report.importance import importances
from raygen.report.view import view_of
from raygen.runs.records import History


def found(history: History, **options: Any) -> dict[str, tuple[float, bool, int]]:
    """Share, whether it matters, and trials of each parameter, largest first."""
    rows = importances(view_of(history, options.get("space", made_space()))).parameters
    return {row.name: (row.share, row.matters, row.trials) for row in rows}


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_the_parameter_that_decides_comes_first(metric: str) -> None:
    """Whichever end is the good one; the shares add up, and only that one matters."""
    rows = found(searched(80, steep, metric=metric))

    assert [name for name, (_, matters, _) in rows.items() if matters] == ["learning_rate"]
    assert next(iter(rows)) == "learning_rate"
    assert sum(share for share, _, _ in rows.values()) == pytest.approx(1)
    assert "fixed" not in rows


def test_a_conditional_parameter_is_judged_where_it_is_active() -> None:
    """It is there, with the number of trials that had it."""
    history = searched(100, lambda v, rng: v.get("momentum", 0.0) + 0.01 * rng.random())
    active = sum("momentum" in trial.values for trial in history.trials.values())

    rows = found(history)

    assert rows["momentum"][2] == active < 100
    assert rows["learning_rate"][2] == 100
    assert {name for name, (_, matters, _) in rows.items() if matters} <= {"momentum", "optimizer"}


def test_chance_matters_to_nobody() -> None:
    """In noise no parameter stands out from what dealt scores give."""
    assert not any(matters for _, matters, _ in found(searched(80, noise)).values())


def test_every_kind_of_domain_is_understood() -> None:
    """Steps that do not end at the range's end, true beside 1, and numbers as options."""
    space = made_space(
        (
            Parameter("step", Float(0.0, 1.0, step=0.3)),
            Parameter("odd", Int(1, 10, step=4)),
            Parameter("power", Int(1, 1000, log=True)),
            Parameter("mixed", Choice((True, 1, "1", 1.5))),
        )
    )

    def score(values: Values, rng: Any) -> float:
        return math.log(values["power"]) + float(rng.random()) / 10

    assert next(iter(found(searched(60, score, space=space), space=space))) == "power"


@pytest.mark.parametrize(
    ("history", "said"),
    [
        (searched(9, noise), "9 trials have a score; it takes 10"),
        (searched(20, lambda v, rng: 0.5), "all trials have the same score"),
    ],
    ids=["few", "same"],
)
def test_too_little_is_refused(history: History, said: str) -> None:
    """Importances that would not be true are not told."""
    with pytest.raises(RunError, match=said):
        found(history)


def test_a_missing_or_old_optuna_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says what to install."""
    monkeypatch.setattr("importlib.metadata.version", lambda name: "4.6.0")
    with pytest.raises(EnvironmentProblem, match=r"optuna 4.6.0 is installed; it takes 5"):
        found(searched(20, noise))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EnvironmentProblem, match=r"type pip install 'raygen\[optuna\]'"):
        found(searched(20, noise))
