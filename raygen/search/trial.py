"""The Ray Tune Trainable: one step is one epoch of a model.py in a clean process."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray import tune

from raygen.execute.arrays import share_arrays
from raygen.execute.group import new_runner
from raygen.execute.job import Job, Message
from raygen.execute.run import Run, Worker
from raygen.runs.paths import TrialPaths
from raygen.runs.records import State

_HEAD = "node:__internal_head__"
"""Ray Train's own guards take of this mark."""
_PARTS = 10_000
"""Into which Ray can divide a resource."""


class Trial(tune.Trainable):  # type: ignore[misc]  # Ray has no types
    """Stays warm from trial to trial; the program itself runs in a forked child.

    Neither Tune's checkpoints nor its loggers are used: the child saves into the trial's own
    folder, from which a second attempt goes on, and the driver keeps the journal.
    """

    def setup(
        self,
        config: dict[str, Any],
        arrays: dict[str, Any] | None = None,
        worker: Worker | None = None,
    ) -> None:
        """Take the first trial.

        The child is forked by the first step, not here: while an actor is being set up, Ray Tune
        gives its trial to any other that becomes free, and throws the new actor away.

        Args:
            config: What ``trial_config`` made.
            arrays: From Ray's object store.
            worker: What all workers of the run have in common.
        """
        assert arrays is not None, "given by tune.with_parameters"
        assert worker is not None, "given by tune.with_parameters"
        self._data = str(share_arrays(arrays, worker.data_key))
        self._runner = new_runner(worker)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take another trial on this warm worker."""
        self._runner.stop()  # it may be an epoch ahead of the scheduler that stopped it
        self._job: Job = replace(new_config["job"], data=self._data)
        self._told: Message | None = new_config.get("told")
        self._begun = False
        self._folds: list[Message] = list(new_config.get("folds", ()))
        return True

    def step(self) -> dict[str, Any]:
        """Wait for the next epoch that the driver has not heard of.

        A trial of an earlier session first says its last epoch again, so that the scheduler
        decides on it; no child is needed for that.
        """
        if self._job.folds:
            return _result(self._next_fold(), self._job)
        if self._told is not None:
            told, self._told = self._told, None
            return _result(told, self._job)
        if not self._begun:
            self._runner.start(self._job)
            self._begun = True
        message = self._runner.next()
        while message.epoch <= self._job.reported and not message.state.is_over():
            message = self._runner.next()  # trained again since the last checkpoint
        return _result(message, self._job)

    def _next_fold(self) -> Message:
        """The mean with one more fold, which is trained if it is not there already."""
        fold = self._job.reported
        if fold == len(self._folds):
            paths = TrialPaths(Path(self._job.checkpoint).parent)
            own = replace(self._job, fold=fold, checkpoint=str(paths.checkpoint(fold)), reported=0)
            message = self._runner.run(own)
            if message.state.has_failed():
                return replace(message, epoch=fold)
            self._folds.append(message)
        self._job = replace(self._job, reported=fold + 1)
        return mean_of(self._folds[: fold + 1], total=self._job.folds)

    def cleanup(self) -> None:
        """End the child."""
        self._runner.stop()

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Say where the child's checkpoint is; see the class."""
        return {"checkpoint": self._job.checkpoint}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Leave it to the child, which looks into its own folder; see the class."""


def trial_config(
    run: Run, trial_id: str, *, milestones: Sequence[int] = (), kept: bool = False
) -> dict[str, Any]:
    """What Tune is to start a trial with, from where the journal says it stands.

    Args:
        run: The run.
        trial_id: A trial of its history.
        milestones: Epochs after which it waits for the scheduler.
        kept: Whether other trials may go on from its checkpoints.
    """
    record = run.history.trials[trial_id]
    job = replace(
        run.job(trial_id, fold=0), milestones=tuple(milestones), kept=kept, reported=record.epoch
    )
    if run.experiment.search.evaluate == "folds":
        job = replace(job, folds=run.experiment.rank.scores)
        return {"trial_id": trial_id, "job": job, "folds": _folds_of(run, trial_id)}
    if record.is_decided():
        return {"trial_id": trial_id, "job": job}
    told = Message(
        state=record.state, epoch=record.epoch, metrics=record.metrics, seconds=record.seconds
    )
    return {"trial_id": trial_id, "job": job, "told": told}


def _folds_of(run: Run, trial_id: str) -> tuple[Message, ...]:
    """The folds of a trial that are in the journal, as they were told."""
    known = [run.history.folds.get((trial_id, k)) for k in range(run.experiment.rank.scores)]
    there = itertools.takewhile(lambda result: result is not None, known)
    return tuple(
        Message(state=each.state, epoch=each.epochs, metrics=each.metrics, seconds=each.seconds)
        for each in there
        if each is not None
    )


def mean_of(folds: Sequence[Message], *, total: int) -> Message:
    """What a trial is scored by after some of its folds: the mean of each metric over them."""
    last = folds[-1]
    means: dict[str, Any] = {
        name: math.fsum(each.metrics[name] for each in folds) / len(folds)
        for name, value in last.metrics.items()
        if isinstance(value, (int, float)) and all(name in each.metrics for each in folds)
    }
    return Message(
        state=State.FINISHED if len(folds) == total else State.RUNNING,
        epoch=len(folds),
        metrics=means | {"epoch": len(folds)},
        seconds=math.fsum(each.seconds for each in folds),
        fold=last,
    )


def trial_resources(run: Run) -> dict[str, float]:
    """What Tune reserves for a trial.

    The processes of a group are reserved by Ray Train; how many groups begin is kept to the room
    by ``place_workers``. Nothing at all cannot be reserved: a trial takes the least share of a
    mark that Ray puts once on each node, here the driver's own.
    """
    import ray

    resources = run.experiment.resources
    if not resources.grouped:
        return {"CPU": resources.cpus, "GPU": resources.gpus}
    here = ray.get_runtime_context().get_node_id()
    [marks] = [node["Resources"] for node in ray.nodes() if node["NodeID"] == here]
    mark = next(name for name in marks if name.startswith("node:") and name != _HEAD)
    return {"CPU": 0, mark: 1 / _PARTS}


def _result(message: Message, job: Job) -> dict[str, Any]:
    """What Tune, its scheduler and our recorder see of a message."""
    failed = message.state.has_failed()
    return {
        "score": math.nan if failed else float(message.metrics[job.metric]),
        "scores": () if failed else job.scores(message),
        "epoch": message.epoch,
        "training_iteration": message.epoch,  # Tune's own counter begins anew with each worker
        "message": message,
        "done": message.state.is_over(),
    }
