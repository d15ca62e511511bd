"""Runs jobs on warm workers all over the cluster, each as soon as there is room."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from raygen.execute.arrays import share_arrays
from raygen.execute.disk import disk_full
from raygen.execute.group import new_runner
from raygen.execute.job import Job, Message
from raygen.execute.leaving import Leaving, NodeLeavingError
from raygen.execute.losses import Losses
from raygen.execute.newcomers import elsewhere
from raygen.execute.run import Run, Worker
from raygen.execute.turn import TurnTakenError
from raygen.execute.waiting import Waiting
from raygen.runs.paths import TrialPaths
from raygen.runs.records import State

Key = TypeVar("Key")
_PATIENCE_S = 0.5
"""How often an interruption is looked for."""
_COMES_S = 30.0
"""Time in which a worker should have come, before another one that is idle takes its job."""


class PoolWorker:
    """A Ray actor that runs one job at a time."""

    def __init__(self, arrays: dict[str, Any], worker: Worker) -> None:
        self._data = str(share_arrays(arrays, worker.data_key))
        self._runner = new_runner(worker)

    def arrive(self) -> str:
        """Say that it is there, and on which node."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def run(self, job: Job) -> Iterator[Message]:
        """Run a job and yield its messages; it goes on from its checkpoint if it has one."""
        yield from self._runner.messages(replace(job, data=self._data))


class Pool:
    """Warm workers for as long as the block lasts; they are started when there is work.

    A job whose worker dies is given to another one, and goes on from its last checkpoint; so is
    one whose node is about to be taken away, and one whose turn another process has taken.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._losses = Losses()
        self._waiting = Waiting(run.experiment.resources, run.say, lambda: run.places.shunned)
        self._idle: list[Any] = []
        self._arrivals: dict[Any, tuple[Any, float]] = {}
        """Of workers that are not there yet: the promise to say so, and since when."""
        self._node_of: dict[Any, str] = {}
        self._leaving = Leaving()
        self._busy: dict[Any, tuple[Any, tuple[Any, Job, int]]] = {}

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        for worker in [*self._idle, *(worker for worker, _ in self._busy.values())]:
            ray.kill(worker)

    def run(self, jobs: Iterable[tuple[Key, Job]]) -> Iterator[tuple[Key, Message]]:
        """Run jobs and yield their messages as they come; the last one of each is over.

        An interruption ends the iteration; jobs that run then keep their checkpoints.
        """
        import ray

        waiting = deque((key, job, 0) for key, job in jobs)
        while (waiting or self._busy) and not self._run.interruption:
            waiting.extendleft(self._taken_back())
            while waiting and (worker := self._free_worker()) is not None:
                key, job, deaths = waiting.popleft()
                said = worker.run.options(num_returns="streaming").remote(job)
                self._busy[said] = worker, (key, job, deaths)
            ready, _ = ray.wait(list(self._busy), timeout=_PATIENCE_S)
            self._welcome()
            self._dismiss()
            self._waiting.note(waits=self._all_wait())
            for said in ready:
                worker, (key, job, deaths) = self._busy[said]
                try:
                    message: Message = ray.get(next(said))
                    if message.state.is_over():
                        del self._busy[said]
                        self._idle.append(worker)
                except (ray.exceptions.RayActorError, TurnTakenError, NodeLeavingError) as error:
                    del self._busy[said]
                    if isinstance(error, TurnTakenError):  # its worker is none the worse for it
                        self._idle.append(worker)
                    else:
                        ray.kill(worker)
                    deaths += not self._losses.forgives(key, error)
                    if deaths <= self._run.experiment.search.retries:
                        waiting.appendleft((key, job, deaths))
                        continue
                    message = Message(state=State.LOST, error=_told(error, deaths))
                if message.state is State.DISK_FULL:
                    self._run.interruption.ask(disk_full(self._run.paths.folder))
                    return
                yield key, message

    def _free_worker(self) -> Any:
        """An idle worker, or a new one while there is room; None when all are busy."""
        if self._idle:
            return self._idle.pop()
        return self._start() if len(self._busy) < self._run.room else None

    def _all_wait(self) -> bool:
        """Whether no worker is there, or none whose group has room."""
        if len(self._arrivals) == len(self._busy) + len(self._idle):
            return True
        grouped = self._run.experiment.resources.grouped
        jobs = [job for _, (_, job, _) in self._busy.values()]
        return grouped and all(TrialPaths(Path(job.checkpoint).parent).is_waiting for job in jobs)

    def _welcome(self) -> None:
        """Take notice of workers that have come, or never will."""
        import ray

        promises = {promise: worker for worker, (promise, _) in self._arrivals.items()}
        if not promises:
            return
        ready, _ = ray.wait(list(promises), num_returns=len(promises), timeout=0)
        for promise in ready:
            worker = promises[promise]
            del self._arrivals[worker]
            with suppress(ray.exceptions.RayError):  # who asks it for something hears of it
                self._node_of[worker] = ray.get(promise)

    def _dismiss(self) -> None:
        """End idle workers of nodes that are about to be taken away, which then go at once."""
        import ray

        leaving = self._leaving.nodes()
        for worker in [each for each in self._idle if self._node_of.get(each) in leaving]:
            self._idle.remove(worker)
            ray.kill(worker)

    def _taken_back(self) -> Iterator[tuple[Any, Job, int]]:
        """Orders of workers that do not come, for those that are idle.

        What they wait for may be the very room of the idle ones: when a node is lost while a
        worker is being started there, Ray starts it elsewhere, as soon as there is room.
        """
        import ray

        late = [
            said
            for said, (worker, _) in self._busy.items()
            if worker in self._arrivals and time.monotonic() - self._arrivals[worker][1] > _COMES_S
        ]
        for said in late[: len(self._idle)]:
            worker, order = self._busy.pop(said)
            del self._arrivals[worker]
            ray.kill(worker)
            yield order

    def _start(self) -> Any:
        import ray

        resources = self._run.experiment.resources
        alone = not resources.grouped  # a group has resources of its own
        actor = ray.remote(PoolWorker).options(
            num_cpus=resources.cpus if alone else 0,
            num_gpus=resources.gpus if alone else 0,
            label_selector=elsewhere(self._run.places.shunned) or None,
        )
        worker = actor.remote(self._run.arrays, self._run.worker)
        self._arrivals[worker] = worker.arrive.remote(), time.monotonic()
        return worker


def _told(error: Exception, deaths: int) -> str:
    """The last line of what Ray says of a dead worker, without its colours."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    last = [line.strip() for line in plain.splitlines() if line.strip()][-1:]
    return " ".join([f"its worker died {deaths} times (search.retries):", *last])[:500]
