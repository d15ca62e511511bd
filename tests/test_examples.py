"""Does every config in examples/ pass the check that a user would begin with?"""

from __future__ import annotations

from pathlib import Path

import pytest

from raygen.config.load import load_experiment
from raygen.plan import plan_run

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


def test_there_are_examples_of_all_tasks() -> None:
    """Each task that tables, texts and images are used for has a config to begin with."""
    tasks = {load_experiment(path).task.name for path in EXAMPLES}

    assert tasks == {
        "ImageClassification",
        "TabularClassification",
        "TabularRegression",
        "TextClassification",
    }


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_can_be_run_from_the_root_of_the_checkout(
    path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passes every check that needs no training, and is named like its file."""
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    plan = plan_run(path)

    assert plan.experiment.name == path.stem
    assert " 0 test rows" not in plan.blueprint.told(), "a score needs test rows"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_tells_how_it_is_run(path: Path) -> None:
    """Its head says what it is about and which command to type."""
    head = path.read_text(encoding="utf-8").split("\nname:")[0]

    assert head.startswith("# ")
    assert f"raygen generate --config examples/{path.name}" in head
