"""What of a search does not go together is said by `raygen check`, with what would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from raygen.errors import RaygenError
from raygen.plan import plan_run

CONFIG = """task: {name: ImageClassification, dataset: {name: digits}}
search:
  trials: 4
"""
Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """The line with which a config and its overrides are refused."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    Path("config.yaml").write_text(CONFIG, encoding="utf-8")

    def line(*overrides: str) -> str:
        with pytest.raises(RaygenError) as error:
            plan_run("config.yaml", [f"search.{each}" for each in overrides])
        assert "\n" not in str(error.value)
        return str(error.value)

    return line


def test_a_library_that_cannot_represent_the_space_is_refused(refused: Refused) -> None:
    """CMA-ES has no conditions; those that have them are listed."""
    line = refused("algorithm=optuna-cmaes")

    assert "search.algorithm" in line
    assert "parameters with conditions" in line
    assert "random, grid" in line
    assert "optuna-cmaes given" in line
    assert "cmaes," not in line.partition("must")[2]


def test_an_acquisition_belongs_to_its_algorithm(refused: Refused) -> None:
    """One that it does not have is told with those that it has, or with who has any."""
    assert "one of hedge, EI, LCB, PI" in refused("algorithm=skopt-gp", "acquisition=UCB")
    assert "skopt-gp, skopt-trees" in refused("algorithm=random", "acquisition=EI")


def test_several_metrics_need_who_can_compare_them(refused: Refused, tmp_path: Path) -> None:
    """Neither a searcher nor a scheduler silently takes the first."""
    config = tmp_path / "config.yaml"
    text = CONFIG.replace("dataset", "metric: [accuracy, num_parameters], dataset")
    config.write_text(text, encoding="utf-8")

    assert "several metrics" in refused("algorithm=hyperopt")
    line = refused("algorithm=random", "scheduler=median")
    assert "several metrics" in line
    assert "fifo, asha" in line
    plan_run("config.yaml", ["search.algorithm=random"])


def test_a_population_needs_a_size_and_no_repeats(refused: Refused) -> None:
    """Population based training learns from its own trials, of which there is a known number."""
    usual = ("scheduler=pbt", "max_epochs=20")

    assert "give search.trials" in refused(*usual, "repeats=2")
    assert "give search.trials" in refused(*usual, "trials=null")


def test_too_few_epochs_for_a_scheduler_are_refused(refused: Refused) -> None:
    """Who could not decide anything would only look as if it did."""
    assert "raise search.max_epochs" in refused("scheduler=hyperband", "max_epochs=1")


def test_a_search_that_would_never_end_is_refused(refused: Refused) -> None:
    """Some budget must be there."""
    line = refused("trials=null", "time_budget=null", "algorithm=random")

    assert "one of search.trials, search.total_epochs and search.time_budget" in line


@pytest.mark.parametrize(
    ("constraint", "told"),
    [
        ("widht <= 3", "must be one of"),
        ("num_params <= 1e6", "did you mean `num_parameters`"),
        ("filters", "it must be a comparison"),
        ("__import__('os')", "it may hold names"),
    ],
)
def test_constraints_are_checked_before_anything_runs(
    refused: Refused, constraint: str, told: str
) -> None:
    """The line says where it stands and what it may say."""
    line = refused(f'constraints=["{constraint}"]')

    assert "search.constraints[0]" in line
    assert told in line


def test_a_source_that_is_not_there_is_refused(refused: Refused) -> None:
    """A folder to start from must exist when the search is checked."""
    assert "search.start_from[0]" in refused("start_from=[runs/none]")


def test_the_budget_may_grow_and_the_search_may_not_change(refused: Refused) -> None:
    """What decides the next question is compared when a run goes on; budgets are not."""
    from raygen.plan import same_but_budget

    usual = plan_run("config.yaml").experiment
    longer = plan_run("config.yaml", ["search.trials=9", "search.total_epochs=99"]).experiment
    other = plan_run("config.yaml", ["search.constraints=[num_parameters < 9e9]"]).experiment

    assert same_but_budget(usual, longer) == ""
    assert same_but_budget(usual, other) == "search.constraints"


def test_fold_models_need_predictions_that_have_a_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An objective of the user's own has none that RayGen knows of; a network has."""
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG, encoding="utf-8")
    Path("train.py").write_text("def train(parameters, report): ...\n", encoding="utf-8")
    own = 'task: {name: Custom, objective: "train.py:train", metric: loss, mode: min}\n'
    own += "model: {parameters: {rate: {float: [0.0, 1.0]}}}\n"
    Path("own.yaml").write_text(own, encoding="utf-8")

    assert plan_run("config.yaml", ["rank.ensemble=folds"]).experiment.rank.ensemble == "folds"
    with pytest.raises(RaygenError) as error:
        plan_run("own.yaml", ["rank.ensemble=folds"])

    assert "rank.ensemble" in str(error.value)
    assert "folds given for Custom" in str(error.value)
    assert "\n" not in str(error.value)
