"""Is it explained why nothing runs?"""

from __future__ import annotations

import pytest

from raygen.config.resources_section import Resources
from raygen.execute import waiting
from raygen.execute.waiting import Waiting, waiting_text

SMALL, LARGE = {"CPU": 2.0}, {"CPU": 8.0, "GPU": 1.0}
WANTS_GPU = Resources(cpus_per_trial=4, gpus_per_trial=1)


@pytest.mark.parametrize(
    ("total", "free", "told"),
    [
        ([], [], "the cluster has no node left"),
        ([SMALL], [SMALL], "no node has that, the largest has 2 CPUs and 0 GPUs"),
        ([SMALL, LARGE], [SMALL, {"CPU": 8.0}], "at most 8 CPUs and 0 GPUs are free on one"),
        ([SMALL, LARGE], [SMALL, LARGE], "is starting a worker"),
    ],
)
def test_the_reason_says_what_is_needed_and_what_there_is(
    total: list[dict[str, float]], free: list[dict[str, float]], told: str
) -> None:
    """And what would change that."""
    text = waiting_text(WANTS_GPU, total, free)

    assert text.startswith("waiting: a trial needs 4 CPUs and 1 GPUs; ")
    assert told in text


@pytest.mark.parametrize(
    ("total", "free", "told"),
    [
        ([SMALL], [SMALL], "room for 2 of them; it begins when nodes with room for 1 more join"),
        ([SMALL, SMALL], [SMALL, {}], "have room for 4, and others leave room for 2; it begins"),
        ([SMALL, SMALL], [SMALL, SMALL], "there is room for 4, and they are being started"),
        ([], [], "room for 0 of them; it begins when nodes with room for 3 more join"),
    ],
)
def test_the_reason_of_a_group_counts_its_workers(
    total: list[dict[str, float]], free: list[dict[str, float]], told: str
) -> None:
    """They may be on several nodes."""
    text = waiting_text(Resources(workers_per_trial=3), total, free)

    assert text.startswith("waiting: a trial needs 3 workers, each of 1 CPUs and 0 GPUs; ")
    assert told in text


def test_it_is_said_once_for_each_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only of a wait that lasts, and again of the next one."""
    now = [1000.0]
    said: list[str] = []
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(waiting, "_nodes", lambda shunned: ([SMALL], [{}]))
    watched = Waiting(Resources(), said.append)

    def pass_time(seconds: float, *, waits: bool) -> int:
        for _ in range(round(seconds)):
            now[0] += 1
            watched.note(waits=waits)
        return len(said)

    assert pass_time(10, waits=True) == 0
    assert pass_time(20, waits=True) == 1
    assert pass_time(60, waits=True) == 1
    assert pass_time(5, waits=False) == 1
    assert pass_time(30, waits=True) == 2
    assert "others use the nodes that have it" in said[0]
