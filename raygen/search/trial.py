"""The Ray Tune Trainable: one step is one epoch of a model.py in a clean process."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from ray import tune

from raygen.execute.arrays import share_arrays
from raygen.execute.job import Job, Message
from raygen.execute.run import Worker
from raygen.execute.runner import Runner


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
            config: ``{"trial_id": ..., "job": Job}``.
            arrays: From Ray's object store.
            worker: What all workers of the run have in common.
        """
        assert arrays is not None, "given by tune.with_parameters"
        assert worker is not None, "given by tune.with_parameters"
        self._data = str(share_arrays(arrays, worker.data_key))
        self._runner = Runner(worker.preload, threads=worker.threads, gpus=worker.gpus)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take another trial on this warm worker."""
        self._runner.stop()  # it may be an epoch ahead of the scheduler that stopped it
        self._job: Job = replace(new_config["job"], data=self._data)
        self._begun = False
        return True

    def step(self) -> dict[str, Any]:
        """Wait for the next epoch."""
        if not self._begun:
            self._runner.start(self._job)
            self._begun = True
        return _result(self._runner.next(), self._job.metric)

    def cleanup(self) -> None:
        """End the child."""
        self._runner.stop()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Leave it to the child; see the class."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Leave it to the child; see the class."""


def _result(message: Message, metric: str) -> dict[str, Any]:
    """What Tune, its scheduler and our recorder see of a message."""
    failed = message.state.has_failed()
    return {
        "score": math.nan if failed else float(message.metrics[metric]),
        "epoch": message.epoch,
        "state": message.state.value,
        "metrics": dict(message.metrics),
        "seconds": message.seconds,
        "error": message.error,
        "done": message.state.is_over(),
    }
