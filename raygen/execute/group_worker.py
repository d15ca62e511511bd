"""What each process of a group does: its share of the training of one model.py."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any

from raygen.execute.arrays import share_arrays
from raygen.execute.child import Reporter, train_and_tell
from raygen.execute.job import Job, Message
from raygen.execute.pins import read_messages
from raygen.execute.reading import Reading
from raygen.execute.run import Group
from raygen.execute.shared_folder import check_here

_KILL_S = 5.0
"""Time for Ray to kill a process that has asked for it."""


def train_share(loop: dict[str, Any]) -> None:
    """Train with the others of the group, as the loop of a Ray Train worker.

    The program finds the others by the environment: RANK and WORLD_SIZE, or TF_CONFIG.

    Args:
        loop: ``job``, ``group``, ``data_key``, and the ``address`` and ``key`` of the runner.
    """
    import ray.train

    check_here(str(Path(loop["job"].checkpoint).parent))
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    leash, wire = (_connected(loop, purpose) for purpose in ("leash", rank))
    threading.Thread(target=_end_with, args=(leash,), daemon=True).start()
    group: Group = loop["group"]
    given: Job = loop["job"]
    memory_gb = given.memory_gb and given.memory_gb / world_size
    data = _arrays_of_node(given.data, group, loop["data_key"])
    job = replace(given, data=data, memory_gb=memory_gb)
    train_and_tell((_Leader if rank == 0 else _Follower)(job, wire))
    if rank:
        wire.send(None)  # a last word, or it would count as lost


def _connected(loop: dict[str, Any], purpose: str | int) -> Connection[Any, Any]:
    """A connection to the runner, which is told at once what it is for, and from which node."""
    import ray

    wire = Client(loop["address"], authkey=loop["key"])
    wire.send((purpose, ray.get_runtime_context().get_node_id()))
    return wire


def _end_with(leash: Connection[Any, Any]) -> None:
    """End this process with the one at the other end, or when that one lets go of it.

    Ray kills it, so that it tells nobody of an unexpected death.
    """
    import ray

    with suppress(EOFError, OSError):
        leash.recv()
    with suppress(Exception):  # Ray may be gone with whoever held the leash
        ray.kill(ray.get_runtime_context().current_actor)
        time.sleep(_KILL_S)
    os._exit(1)


def _arrays_of_node(folder: str, group: Group, key: str) -> str:
    """The folder with the arrays on this node; they are fetched if it is the first to ask."""
    if Path(folder).is_dir():
        return folder
    if isinstance(group.arrays, Reading):
        return str(share_arrays(group.arrays, key))
    import ray

    return str(share_arrays(ray.get(group.arrays), key))


class _Leader(Reporter):
    """Rank 0: speaks for the group, and has the others save and wait when it does."""

    def earlier(self) -> list[Message]:
        """As of one process; the others look at the checkpoint when it is in order."""
        messages = super().earlier()
        _agree("")
        return messages

    def __call__(self, metrics: dict[str, Any], save: Callable[[str], None] | None) -> None:
        """As of one process; the others save when it does, and go on when it may."""
        saved = False

        def save_together(folder: str) -> None:
            nonlocal saved
            saved = bool(_agree(folder))
            assert save is not None, "it is called by who was given it"
            save(folder)

        super().__call__(metrics, None if save is None else save_together)
        if not saved or metrics["epoch"] in self.job.milestones:
            _agree("")


class _Follower(Reporter):
    """Another rank: says nothing but errors."""

    def earlier(self) -> list[Message]:
        """What rank 0 finds."""
        _agree(None)
        return read_messages(Path(self.job.checkpoint))

    def __call__(self, metrics: dict[str, Any], save: Callable[[str], None] | None) -> None:
        """Save if rank 0 does, for which some programs need all.

        It is asked but once an epoch, twice at milestones, where all wait until they may go on.
        """
        if not (folder := _agree(None)):
            return
        assert save is not None, "rank 0 has one"
        save(folder)
        if metrics["epoch"] in self.job.milestones:
            _agree(None)

    def finish(self) -> None:
        """Rank 0 tells."""

    def send(self, message: Message) -> None:
        """Rank 0 tells."""


def _agree(word: str | None) -> str:
    """What rank 0 says, once all are here."""
    from ray.train.collective import broadcast_from_rank_zero

    agreed: str = broadcast_from_rank_zero(word)
    return agreed
