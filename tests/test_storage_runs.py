"""Does a run whose driver and folder are lost go on from the checkpoints in its storage?"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
LEFT: list[int] = []
"""Process groups of drivers that were killed."""


@pytest.fixture(autouse=True)
def _clean_up() -> Iterator[None]:
    yield
    for group in LEFT:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            continue


def start(place: Path) -> subprocess.Popen[bytes]:
    """Type the command."""
    place.mkdir(exist_ok=True)
    (place / "config.yaml").write_text(f"{CONFIG}storage: file://{place}/store\n")
    with (place / "said.txt").open("ab") as said:
        return subprocess.Popen(
            COMMAND, cwd=place, stdout=said, stderr=said, start_new_session=True
        )


def finish(place: Path) -> dict[str, Any]:
    """Run to the end; gives the leaderboard without what the clock has written."""
    driver = start(place)
    assert driver.wait(timeout=300) == 0, (place / "said.txt").read_text()
    board: dict[str, Any] = json.loads((place / "runs/stored/leaderboard.json").read_text())
    return untimed(board)


def untimed(told: Any) -> Any:
    """The same without any seconds."""
    if isinstance(told, dict):
        return {key: untimed(each) for key, each in told.items() if "seconds" not in key}
    return [untimed(each) for each in told] if isinstance(told, list) else told


def lose(place: Path, *, ranks: bool) -> set[tuple[str, str]]:
    """Kill a run that has checkpoints in its storage, and remove its folder.

    Returns:
        The trials and folds whose checkpoints are left, those that the journal there knows.
    """
    driver, store = start(place), place / "store/stored"
    deadline = time.monotonic() + 240
    while not (found := stored(store, ranks=ranks)):
        assert driver.poll() is None, (place / "said.txt").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    LEFT.append(driver.pid)
    os.killpg(driver.pid, signal.SIGKILL)
    shutil.rmtree(place / "runs")
    return found


def stored(store: Path, *, ranks: bool) -> set[tuple[str, str]]:
    """What the storage has whole checkpoints of, two epochs or more after their beginning.

    Those of a search whose trial the journal there tells of, or those of the ranking.
    """
    text = b"".join(path.read_bytes() for path in sorted((store / "journal").glob("*.jsonl")))
    found = set()
    for file in (store / "checkpoints").glob("*/*.json"):
        try:
            about = json.loads(file.read_text())
            told = json.loads((file.with_suffix("") / about["stamp"] / "messages.json").read_text())
        except (FileNotFoundError, ValueError):  # it is being replaced
            continue
        fold, trial_id = file.stem.removeprefix("checkpoint-"), file.parent.name
        known = f'"trial_id": "{trial_id}"'.encode() in text
        if known and 2 <= told[-1]["epoch"] < EPOCHS and (fold != "0") == ranks:
            found.add((trial_id, fold))
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The leaderboard of a run that was left in peace."""
    return finish(tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.parametrize("ranks", [False, True], ids=["search", "ranking"])
def test_a_lost_run_goes_on_from_its_checkpoints(
    undisturbed: dict[str, Any], tmp_path: Path, ranks: bool
) -> None:
    """Not from its first epochs; and in the end the leaderboard is that of a run left in peace."""
    lost = lose(tmp_path, ranks=ranks)

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
