"""Do paused, resumed and exploited trials come to what their own programs come to alone?"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from climbing_program import EPOCHS, check_sweep, climbing

from raygen.errors import Interrupted
from raygen.plan import plan_run
from raygen.runs.journal import Journal, read_events
from raygen.runs.records import History, State
from raygen.source.render import Blueprint

pytestmark = pytest.mark.ray

CONFIG = f"""task:
  name: ImageClassification
  dataset: {{name: digits}}
model:
  layers: [flatten, {{dense: {{units: $width}}}}]
  parameters:
    width: {{int: [1, 1000]}}
    learning_rate: {{float: [0.01, 0.5], log: true}}
search: {{algorithm: random, max_epochs: {EPOCHS}, retries: 2}}
resources: {{concurrent: 2}}
"""
FOLDER = Path("runs/digits")
REST = ("fifo", "asha", "bohb", "median", "extrapolate", "resources")


@pytest.fixture
def search(
    on_one_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., History]:
    """Search with climbing programs, as often as it is called for."""
    from raygen import pipeline

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Blueprint, "preload", lambda _: ("numpy",))

    def go(scheduler: str, trials: int, body: str = "pass") -> History:
        Path("config.yaml").write_text(CONFIG, encoding="utf-8")
        monkeypatch.setattr(Blueprint, "render", climbing(body))
        settings = [f"search.scheduler={scheduler}", f"search.trials={trials}"]
        pipeline.run_steps(plan_run("config.yaml", settings), upto="search")
        return check_sweep(FOLDER, trials=trials)

    return go


def interrupt_after(
    monkeypatch: pytest.MonkeyPatch, wanted: Callable[[dict[str, Any]], bool]
) -> None:
    """Type Ctrl-C right after the first event of a kind is in the journal."""
    append, typed = Journal.append, list[bool]()

    def watched(self: Journal, event: str, **fields: Any) -> dict[str, Any]:
        line = append(self, event, **fields)
        if not typed and wanted(line):
            typed.append(True)
            os.kill(os.getpid(), signal.SIGINT)
        return line

    monkeypatch.setattr(Journal, "append", watched)


def test_a_population_learns_and_each_program_replays(search: Callable[..., History]) -> None:
    """Weak trials go on from better ones; what they come to is what their own file comes to."""
    history = search("pbt", 6)

    assert history.exploits
    assert all(trial.state is State.FINISHED for trial in history.trials.values())
    assert all(trial.epoch == EPOCHS for trial in history.trials.values())


def test_a_population_goes_on_where_it_was_interrupted(
    search: Callable[..., History], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost or done twice, be it stopped right after a move or between two."""
    for kind in ("exploit", "report"):
        with monkeypatch.context() as patch:
            interrupt_after(patch, lambda line, kind=kind: line["event"] == kind)
            with pytest.raises(Interrupted):
                search("pbt", 6)

    history = search("pbt", 6)

    assert len(history.sessions) == 3
    assert history.exploits
    assert all(trial.epoch == EPOCHS for trial in history.trials.values())


def test_who_waits_for_promotion_waits_through_an_interruption(
    search: Callable[..., History], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial that slept at a rung sleeps on; the promoted ones go on from their checkpoints."""
    with monkeypatch.context() as patch:
        interrupt_after(patch, lambda line: line.get("epoch") == 3)
        with pytest.raises(Interrupted):
            search("asha-promote", 9)

    history = search("asha-promote", 9)

    ended_at = [trial.epoch for trial in history.trials.values()]
    assert set(ended_at) == {1, 3, EPOCHS}, "the rungs, and the end"
    assert ended_at.count(1) >= 5, "a third of them is promoted"


@pytest.mark.parametrize(
    "scheduler",
    ["hyperband", "pb2"] + [pytest.param(each, marks=pytest.mark.slow) for each in REST],
)
def test_every_scheduler_can_pause_and_go_on(
    search: Callable[..., History], scheduler: str
) -> None:
    """Whatever it decides, each trial ends once, with the scores of its own program."""
    history = search(scheduler, 6)

    states = {trial.state for trial in history.trials.values()}
    assert states <= {State.FINISHED, State.STOPPED}
    assert State.FINISHED in states


def test_a_trial_that_fails_costs_the_population_nothing_more(
    search: Callable[..., History],
) -> None:
    """NaN ends a trial in its epoch, and a worker that dies takes nothing of it along."""
    body = """
        if epoch == 3 and once('killed'):
            kill_worker()
        if HERE.name == '00002' and epoch == 2:
            metrics['accuracy'] = float('nan')
    """

    history = search("pbt", 6, body)

    failed = history.trials["00002"]
    assert (failed.state, len(failed.curve)) == (State.NAN, 1)
    others = [trial for trial in history.trials.values() if trial is not failed]
    assert all(trial.state is State.FINISHED for trial in others)
    assert all(each.epoch < 2 for each in history.exploits if each.parent == "00002")


REAL = """task:
  name: ImageClassification
  dataset: {name: digits}
model:
  layers: [{conv: 4}, norm, activation, global_pool, {dropout: 0.1}, {dense: {units: $width}}]
  parameters:
    width: {choice: [8, 16]}
    learning_rate: {float: [1.0e-4, 3.0e-1], log: true}
    weight_decay: {float: [0.0, 0.3]}
    label_smoothing: {float: [0.0, 0.2]}
    augmentation: {choice: [none, shift]}
    batch_size: {choice: [64, 128, 256]}
search: {algorithm: random, scheduler: pbt, trials: 4, max_epochs: 5}
rank: {top: 1, folds: 2}
resources: {concurrent: 2}
"""


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_the_winner_replays_its_schedule_alone(framework: str, tmp_path: Path) -> None:
    """``python model.py --fold 0`` has the score of the journal, to the last bit."""
    pytest.importorskip(framework)
    (tmp_path / "config.yaml").write_text(REAL, encoding="utf-8")
    command = [sys.executable, "-m", "raygen", "generate", "--config", "config.yaml"]
    subprocess.run(
        [*command, "--set", f"framework={framework}"], cwd=tmp_path, check=True, timeout=1200
    )

    history = History.read(tmp_path / FOLDER / "journal.jsonl")
    assert history.exploits
    [winner] = {trial_id for trial_id, _ in history.folds}
    moved = [trial.trial_id for trial in history.trials.values() if trial.parent]
    assert moved
    for trial_id in {winner, moved[0]}:
        alone = json.loads(said(tmp_path / FOLDER / "trials" / trial_id / "model.py"))
        trial = history.trials[trial_id]
        assert alone == trial.metrics
        assert alone[history.metric] == trial.curve[-1]
    assert history.folds[winner, 0].metrics == history.trials[winner].metrics
    assert (tmp_path / "model.py").read_bytes() == (
        tmp_path / FOLDER / "trials" / winner / "model.py"
    ).read_bytes()
    assert "exploit" in {each["event"] for each in read_events(tmp_path / FOLDER / "journal.jsonl")}


def said(model: Path) -> str:
    """The last line that a program prints of fold 0."""
    command = [sys.executable, str(model), "--fold", "0"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    return done.stdout.splitlines()[-1]
