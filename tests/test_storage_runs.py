"""Does a run whose driver and folder are lost go on from what is in its storage?"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from climbing_program import EPOCHS as CLIMBED
from climbing_program import check_sweep

from raygen.runs.journal import read_events

pytestmark = [pytest.mark.slow, pytest.mark.ray]

EPOCHS = 6
CONFIG = f"""name: stored
task:
  name: ImageClassification
  dataset: {{name: digits}}
model:
  layers: [flatten, {{dense: {{units: $width}}}}, {{dropout: {{rate: 0.2}}}}]
  parameters: {{width: {{choice: [16, 32, 48]}}}}
search: {{algorithm: random, scheduler: fifo, trials: 2, max_epochs: {EPOCHS}}}
rank: {{top: 2, folds: 3}}
"""

# the command line, with networks that train for a third of a second an epoch, and a copy of the run
# that is hardly behind it
DRIVER = """
from raygen import cli
from raygen.runs import mirror
from raygen.source.candidate import Source
from raygen.source.render import Blueprint

loop, last = "    for epoch in range(start, epochs):\\n", "        report(metrics, partial(save"
tells = "    print(f'fold {fold}: from epoch {start}', flush=True)\\n"
sleeps = "        __import__('time').sleep(0.3)\\n"
render = Blueprint.render
Blueprint.render = lambda self, candidate, *, changes=(): Source(
    render(self, candidate, changes=changes)
    .text.replace(loop, tells + loop)
    .replace(last, sleeps + last)
)
mirror._EVERY_S = 0.1
cli.main()
"""
COMMAND = [sys.executable, "-c", DRIVER, "generate", "--config", "config.yaml"]

# a weak trial and a strong one that get stuck in their second and their fifth epoch before the weak
# one could take anything over; in the next session the strong one is in no hurry
POPULATION = f"""name: stored
task:
  name: ImageClassification
  dataset: {{name: digits}}
model:
  layers: [flatten, {{dense: {{units: 4}}}}]
  parameters: {{learning_rate: {{choice: [0.05, 0.5]}}}}
search: {{algorithm: grid, scheduler: pbt, trials: 2, max_epochs: {CLIMBED}}}
"""
CLIMBER = """
import os

from climbing_program import climbing
from raygen import cli
from raygen.runs import mirror
from raygen.search.exploit import Moves
from raygen.source.render import Blueprint

if os.environ.get("STUCK"):
    Moves.__call__ = lambda *_: None
Blueprint.render = climbing(
    "if os.environ.get('STUCK') and epoch == (2 if rate < 0.1 else 5): time.sleep(600)\\n"
    "if rate > 0.1 and epoch == 5: time.sleep(5)"
)
Blueprint.preload = lambda _: ("numpy",)
mirror._EVERY_S = 0.1
cli.main()
"""
SEARCH = [sys.executable, "-c", CLIMBER, "search", "--config", "config.yaml"]
NESTED = ("--set", "rank.nested=true", "--set", "rank.folds=2", "--set", "search.max_epochs=3")
STARTED: list[subprocess.Popen[bytes]] = []
"""Drivers of the test that is running."""


@pytest.fixture(autouse=True)
def _clean_up() -> Iterator[None]:
    yield
    end_all()


def end_all() -> None:
    """Kill the drivers that a failed test has left, with their Ray."""
    while STARTED:
        driver = STARTED.pop()
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait()


def start(
    place: Path,
    command: Sequence[str] = COMMAND,
    config: str = CONFIG,
    storage: str = "",
    **environment: str,
) -> subprocess.Popen[bytes]:
    """Type the command."""
    place.mkdir(exist_ok=True)
    (place / "config.yaml").write_text(f"{config}storage: {storage or f'file://{place}/store'}\n")
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    with (place / "said.txt").open("ab") as said:
        driver = subprocess.Popen(
            command,
            cwd=place,
            env=os.environ | {"PYTHONPATH": path} | environment,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    STARTED.append(driver)
    return driver


def finish(place: Path, *words: str) -> dict[str, Any]:
    """Run to the end; gives the leaderboard without what the clock has written."""
    driver = start(place, [*COMMAND, *words])
    assert driver.wait(timeout=600) == 0, (place / "said.txt").read_text()
    board: dict[str, Any] = json.loads((place / "runs/stored/leaderboard.json").read_text())
    return untimed(board)


def untimed(told: Any) -> Any:
    """The same without any seconds."""
    if isinstance(told, dict):
        return {key: untimed(each) for key, each in told.items() if "seconds" not in key}
    return [untimed(each) for each in told] if isinstance(told, list) else told


def lose(place: Path, driver: subprocess.Popen[bytes], found: Callable[[], Any]) -> Any:
    """Kill a run that has something in its storage, and remove its folder; gives what it has."""
    deadline = time.monotonic() + 300
    while not (there := found()):
        assert driver.poll() is None, (place / "said.txt").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    while (place / "runs").exists():  # its workers are still dying
        shutil.rmtree(place / "runs", ignore_errors=True)
    return there


def stored(store: Path, *, ranks: bool) -> set[tuple[str, str]]:
    """What the storage has whole checkpoints of, two epochs or more after their beginning.

    Those of a search whose trial the journal there tells of, or those of the ranking.
    """
    text, found = journal(store), set()
    for file in (store / "checkpoints").glob("*/*.json"):
        try:
            about = json.loads(file.read_text())
            told = json.loads((file.with_suffix("") / about["stamp"] / "messages.json").read_text())
        except (FileNotFoundError, ValueError):  # it is being replaced
            continue
        fold, trial_id = file.stem.removeprefix("checkpoint-"), file.parent.name
        known = f'"trial_id": "{trial_id}"' in text
        if known and 2 <= told[-1]["epoch"] < EPOCHS and (fold != "0") == ranks:
            found.add((trial_id, fold))
    return found


def journal(store: Path) -> str:
    """The text of the journal in a storage."""
    return "".join(path.read_text() for path in sorted((store / "journal").glob("*.jsonl")))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The leaderboard of a run that was left in peace."""
    return finish(tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.parametrize("ranks", [False, True], ids=["search", "ranking"])
def test_a_lost_run_goes_on_from_its_checkpoints(
    undisturbed: dict[str, Any], tmp_path: Path, ranks: bool
) -> None:
    """Not from its first epochs; and in the end the leaderboard is that of a run left in peace."""
    store = tmp_path / "store/stored"
    lost = lose(tmp_path, start(tmp_path), lambda: stored(store, ranks=ranks))

    board = finish(tmp_path)

    assert board == undisturbed
    events = read_events(tmp_path / "runs/stored/journal.jsonl")
    curves = [(e["trial_id"], e["epoch"]) for e in events if e["event"] == "report"]
    assert len(curves) == len(set(curves)) == 2 * (EPOCHS - 1)  # the last one is told by its end
    begun = {
        (log.parent.name, fold): int(epoch)
        for log in tmp_path.glob("runs/stored/trials/*/log.txt")
        for fold, epoch in re.findall(r"^fold (\w+): from epoch (\d+)$", log.read_text(), re.M)
    }
    assert {key: begun[key] for key in lost if begun[key] < 2} == {}
    assert not list((tmp_path / "store").rglob("checkpoint-*"))  # all is over


def test_a_lost_population_goes_on_from_its_milestones(tmp_path: Path) -> None:
    """A weak trial takes over what a strong one had before the folder was lost."""
    store = tmp_path / "store/stored"
    told = [('"00000"', 1), ('"00001"', 4)]
    wanted = {("00000", "checkpoint-0"), ("00001", "checkpoint-0")}
    wanted |= {("00000", "milestone-1"), ("00001", "milestone-3"), ("00001", "milestone-4")}

    def is_there() -> bool:
        text = journal(store)
        there = {(path.parent.name, path.stem) for path in store.glob("checkpoints/*/*.json")}
        return there == wanted and all(
            f'"trial_id": {trial_id}, "epoch": {epoch}' in text for trial_id, epoch in told
        )

    lose(tmp_path, start(tmp_path, SEARCH, POPULATION, STUCK="1"), is_there)

    driver = start(tmp_path, SEARCH, POPULATION)
    assert driver.wait(timeout=300) == 0, (tmp_path / "said.txt").read_text()

    history = check_sweep(tmp_path / "runs/stored", trials=2)
    first = history.exploits[0]
    assert (first.trial_id, first.parent) == ("00000", "00001")
    assert first.epoch in (3, 4)
    log = (tmp_path / "runs/stored/trials/00001/log.txt").read_text()
    assert re.findall(r"^fold 0: training from epoch (\d)", log, re.M) == ["4"]
    log = (tmp_path / "runs/stored/trials/00000/log.txt").read_text()
    assert re.match(r"fold 0: training from epoch [34] ", log)
    assert not list(store.rglob("*-?.json"))


def test_the_runs_of_outer_folds_come_back_too(tmp_path: Path) -> None:
    """And train nothing that the journals in the storage have."""
    expected = finish(tmp_path / "undisturbed", *NESTED)
    place = tmp_path / "lost"
    store = place / "store/stored"

    def journals() -> dict[str, str]:
        """Those there, once the second outer fold has come to its ranking."""
        found = {each: journal(store / each) for each in (".", "nested/0", "nested/1")}
        return found if '"event": "fold"' in found["nested/1"] else {}

    there = lose(place, start(place, [*COMMAND, *NESTED]), journals)

    board = finish(place, *NESTED)

    assert board == expected
    assert len(board["nested"]["folds"]) == 2
    for name, text in there.items():
        folder = place / "runs/stored" / name
        assert (folder / "journal.jsonl").read_text().startswith(text)
        events = read_events(folder / "journal.jsonl")
        known = [steps(each) for each in events if steps(each)]
        assert len(known) == len(set(known))
        logs = list(folder.glob("trials/*/log.txt"))
        assert bool(logs) == (name == "nested/1"), "only what was not over is trained"
        over = set(known[: len([line for line in text.splitlines() if steps(json.loads(line))])])
        for log in logs:
            for fold in re.findall(r"^fold (\w+): from", log.read_text(), re.M):
                assert ("fold" if fold != "0" else "end", log.parent.name, fold) not in over


def steps(event: dict[str, Any]) -> tuple[str, str, str] | None:
    """What an event says is done, which no other may say again; None if it says no such thing."""
    match event["event"]:
        case "report" | "fold" | "end" as kind:
            done = event["epoch"] if kind == "report" else event.get("fold", 0)
            return kind, event["trial_id"], str(done)
        case "test":
            return "fold", event["trial_id"], "None"
    return None
