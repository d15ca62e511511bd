"""Runs jobs on warm workers all over the cluster, each as soon as there is room."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from raygen.execute.arrays import share_arrays
from raygen.execute.job import Job, Message
from raygen.execute.run import Run, Worker
from raygen.execute.runner import Runner
from raygen.runs.records import State

Key = TypeVar("Key")


class PoolWorker:
    """A Ray actor that runs one job at a time; restarted by Ray when it dies."""

    def __init__(self, arrays: dict[str, Any], worker: Worker) -> None:
        self._data = str(share_arrays(arrays, worker.data_key))
        self._runner = Runner(worker.preload, threads=worker.threads)

    def run(self, job: Job) -> Message:
        """Run a job to its end; it goes on from its checkpoint if it was begun before."""
        return self._runner.run(replace(job, data=self._data))


def run_jobs(
    run: Run, jobs: Iterable[tuple[Key, Job]], *, wait_s: float = 0.5
) -> Iterator[tuple[Key, Message]]:
    """Run jobs and yield their last messages in the order in which they end.

    An interruption ends the iteration; what runs then is ended with it and keeps its checkpoint.
    """
    import ray  # half a second

    waiting = list(jobs)
    start = _starter(run)
    idle = [start() for _ in range(min(run.room, len(waiting)))]
    busy: dict[Any, tuple[Key, Any]] = {}
    while (waiting or busy) and not run.interruption:
        while waiting and idle:
            key, job = waiting.pop(0)
            worker = idle.pop()
            busy[worker.run.remote(job)] = key, worker
        done, _ = ray.wait(list(busy), timeout=wait_s)
        for reference in done:
            key, worker = busy.pop(reference)
            try:
                message = ray.get(reference)
                idle.append(worker)
            except ray.exceptions.RayActorError as error:
                told = f"its worker died more than {run.experiment.search.retries} times: {error}"
                message = Message(state=State.LOST, error=" ".join(told.split())[:500])
                idle.append(start())
            yield key, message
    for worker in [*idle, *(worker for _, worker in busy.values())]:
        ray.kill(worker)


def _starter(run: Run) -> Callable[[], Any]:
    import ray  # half a second

    resources, retries = run.experiment.resources, run.experiment.search.retries
    actor = ray.remote(PoolWorker).options(
        num_cpus=resources.cpus_per_trial,
        num_gpus=resources.gpus_per_trial,
        max_restarts=-1,
        max_task_retries=retries,
    )
    return lambda: actor.remote(run.arrays, run.worker)
