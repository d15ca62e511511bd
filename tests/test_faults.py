from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stub_program import stub

from raygen.errors import SourceError, TrialError
from raygen.plan import plan_run
from raygen.runs.journal import read_events
from raygen.runs.records import History, State
from raygen.source.candidate import Source
from raygen.source.render import Blueprint

pytestmark = pytest.mark.ray

CONFIG = """task:
  name: ImageClassification
  dataset: {name: digits}
model:
  layers: [flatten, {dense: {units: $width}}]
  parameters: {width: {int: [1, 1000]}}
search: {algorithm: random, scheduler: fifo, max_epochs: 3, hang_timeout: 12s, retries: 1}
rank: {top: 9, folds: 2}
"""


@dataclass(frozen=True)
class Sweep:
    """A run that is over."""

    folder: Path
    board: dict[str, Any]
    told: list[float | None]
    """What the strategy was told."""

    @property
    def history(self) -> History:
        """What the journal says."""
        return History.read(self.folder / "journal.jsonl")

    def log(self, trial_id: str) -> str:
        """What the trial's program has printed."""
        return (self.folder / "trials" / trial_id / "log.txt").read_text(encoding="utf-8")


@pytest.fixture
def sweep(
    on_one_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Sweep]:
    """Search and rank stub programs: one body for each trial."""
    from raygen import pipeline
    from raygen.search import run
    from raygen.search.strategies.random import Random

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Blueprint, "preload", lambda _: ("numpy",))
    told: list[float | None] = []

    class Watched(Random):
        def end(self, number: int, scores: tuple[float, ...] | None) -> None:
            told.append(None if scores is None else scores[0])

    monkeypatch.setattr(run, "load_strategy", lambda name, terms: Watched(terms))

    def go(*bodies: str, upto: str = "emit") -> Sweep:
        Path("config.yaml").write_text(CONFIG, encoding="utf-8")
        waiting = iter(bodies)
        monkeypatch.setattr(
            Blueprint, "render", lambda _, candidate: Source(stub(next(waiting)) + f"# {candidate}")
        )
        plan = plan_run("config.yaml", [f"search.trials={len(bodies)}"])
        result = pipeline.run_steps(plan, upto=upto)
        return Sweep(tmp_path / "runs" / "digits", result.leaderboard, told)

    return go


def test_every_failure_is_a_record_and_the_search_goes_on(sweep: Callable[..., Sweep]) -> None:
    """Each trial ends in a state of its own, with the user's own line; the good ones are ranked."""
    bodies = {
        State.FINISHED: "metrics['accuracy'] = 0.9",
        State.ERROR: "if epoch == 2: json.loads('{')",
        State.NAN: "metrics['accuracy'] = float('nan')",
        State.HUNG: "if epoch == 2: time.sleep(600)",
        State.OUT_OF_MEMORY: "raise MemoryError",
        State.LOST: "if fold == 0 and epoch == 2: kill_worker()",
    }
    retried = "if epoch == 3 and fold == 0 and once('killed'): kill_worker()"
    fold_fails = "if fold == 1: raise ValueError('not this fold')"
    fold_retried = "if fold == 1 and epoch == 2 and once('killed'): kill_worker()"

    done = sweep(*bodies.values(), retried, fold_fails, fold_retried)

    trials = done.history.trials
    assert [trials[f"{number:05d}"].state for number in range(6)] == list(bodies)
    assert "`if epoch == 2: json.loads('{')`: JSONDecodeError" in trials["00001"].error
    assert trials["00002"].error == "accuracy not finite in epoch 1"
    assert "search.hang_timeout" in trials["00003"].error
    assert "`raise MemoryError`" in trials["00004"].error
    assert "its worker died" in trials["00005"].error
    assert [len(trials[f"{number:05d}"].curve) for number in (1, 2, 4)] == [1, 0, 0]

    assert done.log("00005").count("fold 0: training from") == 2, "first attempt and one retry"
    assert done.log("00006").count("fold 0: training from epoch 0") == 1
    assert done.log("00006").count("fold 0: training from") == 2, "it goes on from its checkpoint"
    assert len(trials["00006"].curve) == trials["00006"].epoch

    ranked = [entry["trial_id"] for entry in done.board["entries"]]
    assert ranked[0] == "00000"
    assert "00007" not in ranked, "a failed fold leaves the trial out"
    assert done.history.folds["00007", 1].error.endswith("ValueError: not this fold")
    assert done.log("00008").count("fold 1: training from") == 2
    assert done.history.folds["00008", 1].state is State.FINISHED

    assert len(done.told) == 9, "the strategy hears of every trial, once"
    assert sum(score is None for score in done.told) == 5
    assert json.loads((done.folder / "leaderboard.json").read_text()) == done.board


def test_a_turn_that_was_taken_is_taken_back(sweep: Callable[..., Sweep]) -> None:
    """In the search, in a fold and in the fit on all rows, more often than a worker may die."""
    taken = """
        turn = Path(__file__).with_name(f"turn-{'all' if fold is None else fold}")
        if epoch == 2 and (once(f"{fold} once") or once(f"{fold} twice")):
            turn.write_text("f" * 32)
    """

    done = sweep(taken)

    (trial,) = done.history.trials.values()
    assert trial.state is State.FINISHED
    assert len(trial.curve) == 3
    assert [done.history.folds["00000", fold].state for fold in (0, 1)] == [State.FINISHED] * 2
    assert done.history.test
    begun = [done.log("00000").count(f"fold {fold}: training from") for fold in (0, 1, None)]
    assert begun == [3, 3, 3]


def test_a_search_without_a_single_score_is_told(sweep: Callable[..., Sweep]) -> None:
    """One line with the last error and where to look; the exit code is that of failed trials."""
    with pytest.raises(TrialError, match=r"ValueError: never.*log\.txt") as caught:
        sweep("raise ValueError('never')", "raise ValueError('never')")

    assert caught.value.exit_code == 3
    assert "none of 2 trials ended with a score" in str(caught.value)


def test_a_ranking_without_a_single_score_is_told(sweep: Callable[..., Sweep]) -> None:
    """A program that fails on every other fold leaves nothing to write."""
    with pytest.raises(TrialError, match="ValueError: later"):
        sweep("if fold: raise ValueError('later')")


def test_candidates_that_cannot_be_built_are_passed_over(
    sweep: Callable[..., Sweep], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are journalled as refused and count as no trial."""

    def sometimes(_: Any, candidate: Any) -> int:
        if candidate.values["width"] % 2 == 0:
            raise SourceError("too small")
        return 1

    monkeypatch.setattr(Blueprint, "num_parameters", sometimes)

    done = sweep(*["pass"] * 4, upto="search")

    events = [event["event"] for event in read_events(done.folder / "journal.jsonl")]
    assert events.count("refused") >= 1
    assert len(done.history.trials) == 4


def test_a_space_that_cannot_be_built_is_told_in_one_line(
    sweep: Callable[..., Sweep], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason reaches the user, with its place in the config."""

    def never(*_: Any) -> Any:
        raise SourceError("too small", where="config.yaml:5: model.layers[0]")

    monkeypatch.setattr(Blueprint, "num_parameters", never)

    with pytest.raises(TrialError, match=r"config.yaml:5: model.layers\[0\]: too small"):
        sweep("pass")
