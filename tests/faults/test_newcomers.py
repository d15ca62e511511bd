"""Are nodes that join a run used, but those that do not see its folder?"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from climbing_program import check_sweep
from damage import SmallCluster
from test_nodes import start, wait_for_reports

from raygen.runs.journal import read_events

pytestmark = [pytest.mark.slow, pytest.mark.ray]

NOT_USED = "not used: "


def most_at_once(events: Sequence[Mapping[str, Any]]) -> int:
    """Trials that had begun and not ended."""
    changes = {"trial": 1, "end": -1}
    return max(itertools.accumulate(changes.get(event["event"], 0) for event in events))


@pytest.fixture
def cluster() -> Iterator[SmallCluster]:
    """A head and a further node of one CPU each."""
    if os.geteuid():
        pytest.skip("it takes root to hide a folder from a node")
    made = SmallCluster(cpus=1)
    made.do("add")
    yield made
    made.quit()


@pytest.mark.parametrize(("scheduler", "trials"), [("fifo", 24), ("asha", 60)])
def test_a_node_that_does_not_see_the_folder_is_not_used(
    scheduler: str, trials: int, cluster: SmallCluster, tmp_path: Path
) -> None:
    """It is named once, also when workers have no other place to go; no trial is blamed.

    The node after it sees the folder, and is used.
    """
    (tmp_path / "runs").mkdir()
    driver = start(tmp_path, scheduler, cluster.address, trials)
    said = tmp_path / "said.txt"
    try:
        wait_for_reports(tmp_path, driver, 4)
        cluster.do(f"blind {tmp_path / 'runs'}")
        if scheduler == "asha":  # whose worker goes there before the node has answered
            cluster.do("kill 1")
        deadline = time.monotonic() + 100
        while NOT_USED not in said.read_text():
            assert driver.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.1)
        if scheduler == "fifo":  # whose worker must go somewhere, and not there
            cluster.do("kill 1")
        cluster.do("add")
        cluster.do("add")
        assert driver.wait(timeout=400) == 0, said.read_text()
    finally:
        driver.kill()

    told = " ".join(said.read_text().split())
    assert told.count(NOT_USED) == 1, told
    assert "does not see it; all nodes must share the folder of a run; give --run-dir" in told
    history = check_sweep(tmp_path / "runs/digits", trials=trials)
    assert not any(trial.state.has_failed() for trial in history.trials.values())
    events = read_events(tmp_path / "runs/digits/journal.jsonl")
    assert [event["error"] for event in events if event.get("error")] == []
    assert most_at_once(events) == 3, "the head, and the two that came"
    assert not list((tmp_path / "runs/digits").glob(".seen-*"))
