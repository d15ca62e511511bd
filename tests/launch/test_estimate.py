"""Is it told how long a run takes and what it costs, as far as one can know?"""

from __future__ import annotations

import pytest

from raygen.config.schema import Experiment
from raygen.launch.cluster_file import Slurm
from raygen.launch.estimate import estimate
from raygen.runs.records import History

EXPERIMENT = Experiment.model_validate(
    {
        "task": {"name": "ImageClassification", "dataset": {"name": "digits"}},
        "search": {"max_epochs": 10},
        "rank": {"top": 5, "folds": 5},
        "resources": {"cpus_per_trial": 2},
    }
)
CLUSTER = Slurm(nodes=2, cpus_per_node=8)


def history(seconds: float) -> History:
    """Of a run with a trial of four epochs."""
    trial = {"trial_id": "00000", "values": {}, "candidate": "a", "source_sha": "b"}
    events = [
        {"event": "begin", "metric": "accuracy", "time": 0.0},
        {"event": "trial", "num_parameters": 1, "time": 0.0, **trial},
        *(
            {
                "event": "report",
                "trial_id": "00000",
                "epoch": epoch,
                "metrics": {"accuracy": 0.5},
                "seconds": epoch * seconds,
                "time": 0.0,
            }
            for epoch in (1, 2, 3, 4)
        ),
    ]
    return History().after(events)


@pytest.mark.parametrize(
    ("cluster", "known", "price", "told"),
    [
        # 20 trials and 20 folds, 8 at a time: 5 rounds and the last fit, 10 epochs of 60 s each
        (CLUSTER, history(60.0), 3.0, ["at most 1 hours, if each of 40", "at most 6 for 2 nodes"]),
        (CLUSTER, History(), 3.0, ["time: unknown before", "6 an hour for 2 nodes"]),
        (CLUSTER, History(), None, ["time: unknown before", "--price P says"]),
        (
            CLUSTER.model_copy(update={"time_limit": 1800.0}),
            history(60.0),
            3.0,
            ["at most 0.5 hours, the time_limit", "at most 3 for 2 nodes"],
        ),
    ],
)
def test_what_is_known_is_told(
    cluster: Slurm, known: History, price: float | None, told: list[str]
) -> None:
    """From the trainings of the run, or the limit of the job, and never without saying which."""
    room, *lines = estimate(EXPERIMENT, cluster, known, trials=20, price=price)

    assert room == (
        "room: a trial wants 2 CPUs and 0 GPUs; 2 nodes of 8 CPUs and 0 GPUs hold 8 at a time"
    )
    assert all(expected in line for expected, line in zip(told, lines, strict=True)), lines


@pytest.mark.parametrize(("part", "told"), [(0.2, 10), (0.1, 20), (0.3, 6), (1.0, 2)])
def test_parts_of_a_gpu_are_counted(part: float, told: int) -> None:
    """Two GPUs hold ten fifths, whatever a fifth is in binary."""
    resources = {"gpus_per_trial": part}
    experiment = Experiment.model_validate(
        {**EXPERIMENT.model_dump(include={"task": {"name", "dataset"}}), "resources": resources}
    )
    cluster = Slurm(nodes=2, cpus_per_node=64, gpus_per_node=1)

    room, *_ = estimate(experiment, cluster, History(), trials=20, price=None)

    assert room.endswith(f"64 CPUs and 1 GPUs hold {told} at a time")
