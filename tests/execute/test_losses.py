"""Is a trial blamed for what befell its node?"""

from __future__ import annotations

import ray

from raygen.execute.leaving import NodeLeavingError
from raygen.execute.losses import Losses
from raygen.execute.turn import TurnTakenError

CRASH = ray.exceptions.ActorDiedError()
CUT = ray.exceptions.ActorUnavailableError("Socket closed", None)
NODE = ray.exceptions.RayActorError(error_msg="The actor died because its node has died.")
TAKEN = TurnTakenError()
OWNER = ray.exceptions.RayActorError(
    error_msg="The actor is dead because its owner has died. Worker exit detail: "
    "Owner's node has crashed."
)
PREEMPTED = ray.exceptions.RayActorError(error_msg="The actor died.", preempted=True)


def test_only_a_worker_that_dies_by_itself_counts() -> None:
    """A node that died or was cut off, or a turn that was taken, is no failure of the trial's."""
    losses = Losses()

    assert not losses.forgives("a", CRASH)
    assert not losses.forgives("a", OSError())
    assert all(losses.forgives("a", error) for error in (CUT, NODE, OWNER, PREEMPTED, TAKEN))


def test_forgiveness_ends() -> None:
    """A trial that takes down every node that it is put on does not go on for ever."""
    losses = Losses()

    forgiven = [losses.forgives("a", NODE) for _ in range(12)]

    assert forgiven == [True] * 10 + [False] * 2
    assert losses.forgives("b", NODE)
    assert all(losses.forgives("a", NodeLeavingError()) for _ in range(12)), "it ends by itself"
