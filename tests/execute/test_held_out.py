from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from raygen.execute.job import Job
from raygen.execute.runner import Runner
from raygen.runs.records import State

NewJob = Callable[..., Job]

BODY = """
    if start == 0 and epoch == 3 and resume is None and DIES and once("dies"):
        os.kill(os.getpid(), signal.SIGKILL)
    predict(None, x[:2], {"epoch": epoch})
"""
PREDICTS = """

import numpy as np

DIES = False


def split(y, fold):
    return np.array([0, 2]), np.array([1, 3])


def predict(network, inputs, statistics):
    return inputs * statistics["epoch"] / 10
"""


def predicting(new_job: NewJob, tmp_path: Path, *, dies: bool = False) -> Job:
    """A job whose program predicts a tenth of the epoch's number for each held-out row."""
    path = tmp_path / "out-of-fold" / "0.npz"
    job = new_job(BODY, out_of_fold=str(path))
    with Path(job.model).open("a", encoding="utf-8") as file:
        file.write(PREDICTS.replace("DIES = False", f"DIES = {dies}"))
    return job


def test_the_last_predictions_are_there_when_the_end_is_told(
    runner: Runner, new_job: NewJob, tmp_path: Path
) -> None:
    """Those of the last epoch, with the rows of the fold, though the process ends with its word."""
    job = predicting(new_job, tmp_path)

    assert runner.run(job).state is State.FINISHED

    with np.load(job.out_of_fold) as file:
        assert file["rows"].tolist() == [1, 3]
        np.testing.assert_array_equal(file["predictions"], [0.3, 0.3])


def test_a_training_that_goes_on_leaves_the_same(
    runner: Runner, new_job: NewJob, tmp_path: Path
) -> None:
    """A killed one leaves nothing; the second attempt leaves all."""
    job = predicting(new_job, tmp_path, dies=True)

    assert runner.run(job).state.has_failed()
    assert not Path(job.out_of_fold).exists()

    assert runner.run(job).state is State.FINISHED
    with np.load(job.out_of_fold) as file:
        np.testing.assert_array_equal(file["predictions"], [0.3, 0.3])


def test_a_program_that_predicts_nothing_leaves_nothing(
    runner: Runner, new_job: NewJob, tmp_path: Path
) -> None:
    """As those of an objective of the user's own."""
    job = new_job(out_of_fold=str(tmp_path / "out-of-fold" / "0.npz"))

    assert runner.run(job).state is State.FINISHED
    assert not (tmp_path / "out-of-fold").exists()
