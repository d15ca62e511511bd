"""One start of a group of processes by Ray Train, and the wires between them and its runner."""

from __future__ import annotations

import os
import re
import shutil
import socket
import threading
import uuid
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

from raygen.execute.job import Job, Message
from raygen.execute.losses import befell
from raygen.execute.newcomers import elsewhere
from raygen.execute.run import Group
from raygen.execute.runner import ENVIRONMENT
from raygen.runs.paths import TrialPaths

_FINISH_S = 3.0
"""Time for processes that have said their last word to end by themselves."""
_CLOSE_S = 60.0
"""Time for Ray Train to notice that all processes are gone."""


@dataclass(frozen=True)
class Told:
    """A process has said something."""

    message: Message


@dataclass(frozen=True)
class Joined:
    """A process has come up."""


@dataclass(frozen=True)
class Lost:
    """A process is gone without a last word."""


@dataclass(frozen=True)
class Ended:
    """Ray Train has ended the group."""

    error: str
    is_forgiven: bool = False
    """Whether a node was lost, or cannot be used, and the program had no part in it."""


Event: TypeAlias = Told | Joined | Lost | Ended


class Launch:
    """A group that is coming up, training or ending.

    Each process holds two connections to here. On one it speaks, and rank 0 waits for consent; at
    the end of the other it ends itself, so that none outlives this.
    """

    def __init__(
        self, group: Group, job: Job, data_key: str, shunned: Collection[str] = ()
    ) -> None:
        import ray  # in a worker, which has it

        self._events: SimpleQueue[Event] = SimpleQueue()
        self._key = os.urandom(32)
        self._listener = Listener((ray.util.get_node_ip_address(), 0), "AF_INET", 64, self._key)
        self._lock = threading.Lock()
        self._wires: list[Connection[Any, Any]] = []
        self._speaker: Connection[Any, Any] | None = None
        self._closed = False
        self.has_lost = False
        """Whether a process is gone; the others may then say anything."""
        self.nodes = set[str]()
        """The numbers of the nodes that its processes are on."""
        self._waits = TrialPaths(Path(job.checkpoint).parent).waits(job.fold)
        self._waits.touch()
        self._folder = Path(job.checkpoint).with_name(f"group-{uuid.uuid4().hex[:8]}")
        loop = {
            "job": job,
            "address": self._listener.address,
            "key": self._key,
            "data_key": data_key,
            "group": group,
        }
        self._train = threading.Thread(target=self._fit, args=(group, loop, shunned), daemon=True)
        self._train.start()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def is_up(self) -> bool:
        """Whether rank 0 is there."""
        return self._speaker is not None

    def wait(self, timeout_s: float) -> Event | None:
        """The next event; None if there was none in time."""
        with suppress(Empty):
            return self._events.get(timeout=timeout_s)
        return None

    def say(self, word: str | None) -> None:
        """Let rank 0 go on after what it has told, or tell it something."""
        if (speaker := self._speaker) is not None:
            with suppress(OSError):  # it may have said its last word already and be gone
                speaker.send(word)

    def close(self, *, finished: bool = False) -> None:
        """End all processes and wait for Ray Train to put away what it has reserved.

        Args:
            finished: Whether they are about to end by themselves.

        Raises:
            RuntimeError: It does not; whoever holds this had better end, too.
        """
        if finished:
            self._train.join(_FINISH_S)
        with self._lock:
            self._closed = True
            wires, self._wires = self._wires, []
        for wire in wires:
            with suppress(OSError):
                wire.close()
        with suppress(OSError):  # wakes who accepts
            socket.create_connection(self._listener.address, timeout=1).close()
        self._listener.close()
        self._train.join(_CLOSE_S)
        self._waits.unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._train.is_alive():
            raise RuntimeError("Ray Train does not end a group whose processes are gone")

    def _accept(self) -> None:
        while not self._closed:
            try:
                wire = self._listener.accept()
                purpose, node = wire.recv()
            except (OSError, EOFError, AuthenticationError):
                continue
            with self._lock:
                if self._closed:
                    wire.close()
                    return
                self._wires.append(wire)
                self.nodes.add(node)
            if purpose != "leash":
                threading.Thread(target=self._hear, args=(wire, purpose), daemon=True).start()

    def _hear(self, wire: Connection[Any, Any], rank: int) -> None:
        """Pass on what a process says, until it has said its last word or is gone."""
        self._waits.unlink(missing_ok=True)
        if rank == 0:
            self._speaker, self.has_lost = wire, False
        self._events.put(Joined())
        try:
            while (message := wire.recv()) is not None:
                self._events.put(Told(message))
                if message.state.is_over():
                    return
        except (EOFError, OSError, TypeError):  # the last, when it is closed while we listen
            if rank == 0:
                self._speaker = None
            self.has_lost = True
            self._events.put(Lost())

    def _fit(self, group: Group, loop: dict[str, Any], shunned: Collection[str]) -> None:
        """Have Ray Train run the group; failures are ours to count."""
        try:
            _trainer(group, loop, self._folder, shunned).fit()
        except BaseException as error:  # a thread has nobody else to tell it to
            plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
            lines = [line.strip() for line in plain.splitlines() if line.strip()]
            told = " ".join([type(error).__name__, *lines[-1:]])
            self._events.put(Ended(told, is_forgiven=befell(plain)))
        else:
            self._events.put(Ended("it ended without a word"))


def _trainer(group: Group, loop: dict[str, Any], folder: Path, shunned: Collection[str]) -> Any:
    from ray.train import RunConfig, ScalingConfig  # with the framework: four seconds

    from raygen.execute.group_worker import train_share

    fewest, most = group.workers
    environment = {"OMP_NUM_THREADS": str(group.cpus), **ENVIRONMENT}
    if not group.gpus:  # or programs would find the GPUs of others
        environment["CUDA_VISIBLE_DEVICES"] = ""
    given = {
        "train_loop_config": loop,
        "scaling_config": ScalingConfig(
            num_workers=most if fewest == most else (fewest, most),
            use_gpu=group.gpus > 0,
            resources_per_worker={"CPU": group.cpus, "GPU": group.gpus},
            **({"label_selector": elsewhere(shunned)} if shunned else {}),
        ),
        "run_config": RunConfig(
            name="train",
            storage_path=str(folder),
            worker_runtime_env={"env_vars": environment},
        ),
    }
    if group.framework == "tensorflow":
        from ray.train.tensorflow import TensorflowTrainer

        return TensorflowTrainer(train_share, **given)
    from ray.train.torch import TorchTrainer

    return TorchTrainer(train_share, **given)
