"""Does a run know how many of its trials may run at a time?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from raygen.config.resources_section import Resources
from raygen.errors import EnvironmentProblem
from raygen.execute.room import Places, share_of, trials_in

NODES = Places(({"CPU": 5.0, "GPU": 1.0}, {"CPU": 3.0}))


@pytest.mark.parametrize(
    ("resources", "room"),
    [
        ({}, 8),
        ({"workers_per_trial": 3}, 2),
        ({"workers_per_trial": 3, "cpus_per_worker": 2}, 1),
        ({"workers_per_trial": 2, "gpus_per_worker": 0.5}, 1),
        ({"gpus_per_trial": 0.25}, 4),
        ({"gpus_per_trial": 0.2}, 5),
        ({"gpus_per_trial": 0.75}, 1),
        ({"cpus_per_trial": 4}, 1),
    ],
)
def test_room_is_counted_in_places_for_processes(resources: dict[str, float], room: int) -> None:
    """A process is on one node; those of a trial may be on several."""
    assert trials_in(NODES, Resources(**resources)) == room


@pytest.mark.parametrize(
    ("share", "fit"), [(0.1, 40), (0.3, 12), (0.75, 4), (1.0, 4), (2.0, 2), (3.0, 1)]
)
def test_a_part_of_a_gpu_is_part_of_one(share: float, fit: int) -> None:
    """As Ray deals them: what two GPUs have left together holds nobody."""
    assert Resources(gpus_per_trial=share).processes_on(100, 4) == fit


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        ({"workers_per_trial": 3, "gpus_per_worker": 0.5}, "has room for 2 such workers"),
        ({"cpus_per_trial": 6}, "the largest node has 5 CPUs and 1 GPUs"),
    ],
)
def test_what_never_fits_is_refused(resources: dict[str, float], told: str) -> None:
    """With what there is."""
    with pytest.raises(EnvironmentProblem, match=told):
        trials_in(NODES, Resources(**resources))


def test_runs_share_by_their_weights() -> None:
    """Each gets its part, and at least one trial; alone it gets all."""
    assert share_of(8, 1.0, [1.0]) == 8
    assert share_of(8, 1.0, [1.0, 1.0]) == 4
    assert share_of(9, 2.0, [1.0, 2.0]) == 6
    assert share_of(8, 0.01, [0.01, 100.0]) == 1
    assert share_of(8, 1.0, []) == 8


ON_A_CLUSTER = """
import os, sys, time
from pathlib import Path
import ray
from raygen import __version__
from raygen.errors import RunError
from raygen.execute import shared_folder
from raygen.execute.shared_folder import check_shared
from ray.cluster_utils import Cluster
from raygen.config.resources_section import Resources
from raygen.execute.room import Room, _FRESH_S
from raygen.execute.session import session

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
os.environ["RAY_ADDRESS"] = cluster.address
with session(Resources(), lambda: None) as room:
    def later():
        time.sleep(_FRESH_S + 0.5)
        return room.now()

    told = [room.now()]
    node = cluster.add_node(num_cpus=3)
    told.append(later())
    check_shared(Path.cwd())
    shared_folder.look = lambda mark: (False, True, __version__)
    try:
        check_shared(Path.cwd())
    except RunError as error:
        print(error, flush=True)
    other = Room(Resources(share=4.0), shared=True)
    told += [later(), other.now()]
    del other
    told.append(later())
    cluster.remove_node(node)
    told.append(later())
print(told)
cluster.shutdown()
"""


@pytest.mark.ray
def test_room_follows_the_cluster(tmp_path: Path) -> None:
    """Nodes come and go, and so do other runs; a node that does not see the folder is told."""
    settings = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    done = subprocess.run(
        [sys.executable, "-c", ON_A_CLUSTER],
        cwd=tmp_path,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )

    *_, blind, told = done.stdout.splitlines() or ["", ""]
    assert told == "[2, 5, 1, 4, 5, 2]", done.stderr
    assert f"{tmp_path}: node " in blind
    assert "does not see it; all nodes must share the folder of a run" in blind
    assert list(tmp_path.iterdir()) == []
