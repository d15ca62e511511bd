"""Connects to Ray: a cluster that was named, or a private one on this machine."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from raygen.config.resources_section import Resources
from raygen.errors import EnvironmentProblem, RaygenError
from raygen.execute.room import Room

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # leave CUDA_VISIBLE_DEVICES of workers without a GPU as it is, and do not warn about it
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # our own journal is the record: no loggers, no snapshots, no signal handler of Tune's
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # and our own screen: Tune's banner would go to standard output
    "RAY_AIR_NEW_OUTPUT": "0",
    # what a lost worker leaves is a line in the journal, not a traceback on the screen
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # a trial that is told to stop in the middle of an epoch is ended after so many seconds
    "TUNE_FORCE_TRIAL_CLEANUP_S": "3",
}
_OF_OUR_OWN_RAY = {
    # a single node talks over loopback only
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}

_CONNECT_S = 10.0
_STOPPING = b"stopping; what is done is kept, and a second Ctrl-C ends it at once\n"


@contextmanager
def session(resources: Resources, listen: Callable[[], None]) -> Iterator[Room]:
    """Connect to Ray for as long as the block lasts.

    The address comes from ``RAY_ADDRESS``; without it Ray is started on this machine, for this
    run alone.

    Args:
        resources: What a trial wants.
        listen: Takes signals back from Ray, which sets handlers of its own.

    Yields:
        Knows how many trials fit into the cluster at a time.

    Raises:
        EnvironmentProblem: The cluster cannot hold a single trial.
    """
    ray = connect()
    listen()
    try:
        yield Room(resources, shared=bool(os.environ.get("RAY_ADDRESS")))
    finally:
        ray.shutdown()
        connect.cache_clear()


@cache
def connect() -> Any:
    """The module ``ray``, connected; a job that has looked at its cluster is so already.

    Raises:
        EnvironmentProblem: Ray cannot be reached or started.
    """
    cluster = os.environ.get("RAY_ADDRESS")
    if cluster:
        _check_address(cluster)
    for name, value in {**_SETTINGS, **({} if cluster else _OF_OUR_OWN_RAY)}.items():
        os.environ.setdefault(name, value)
    if not cluster and "ray" not in sys.modules:  # Ray reads it once, when it is imported
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        _make_token()
    import ray  # takes half a second: only when something is really run

    try:
        ray.init(
            address="auto" if cluster else "local",
            include_dashboard=None if cluster else False,
            log_to_driver=False,
            logging_level="ERROR",
        )
    except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
        raise _no_ray(cluster, error) from error
    return ray


def _check_address(address: str) -> None:
    """Refuse an address where nobody is at once; Ray itself looks for minutes.

    Raises:
        EnvironmentProblem: It is none, or nobody is there.
    """
    if address in ("auto", "local"):
        return
    found = re.fullmatch(r"\[?([\w.:-]+?)\]?:(\d{1,5})", address)
    if found is None or int(found[2]) > 65535:
        raise EnvironmentProblem(
            "it is no address of a Ray cluster",
            where=f"RAY_ADDRESS={address}",
            must="it must be HOST:PORT of the head (6379 if it was not chosen), or auto",
            remedy="for ray:// or http:// type raygen submit CONFIG --cluster ADDRESS",
        )
    try:
        socket.create_connection((found[1], int(found[2])), timeout=_CONNECT_S).close()
    except (OSError, UnicodeError) as error:  # the latter of a name that is none
        raise _no_ray(address, error) from None


def _make_token() -> None:
    """Make the token of this user's clusters, which Ray would leave for others to read."""
    if os.environ.get("RAY_AUTH_TOKEN") or os.environ["RAY_AUTH_MODE"] != "token":
        return
    with suppress(OSError, RuntimeError):  # it is there, or Ray will say what is wrong
        named = os.environ.get("RAY_AUTH_TOKEN_PATH")
        path = Path(named) if named else Path.home() / ".ray" / "auth_token"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            return
        with tempfile.NamedTemporaryFile(dir=path.parent) as draft:  # for its owner alone
            draft.write(secrets.token_hex(32).encode())
            draft.flush()
            os.link(draft.name, path)  # as a whole, and not over another's


def _no_ray(cluster: str | None, error: Exception) -> EnvironmentProblem:
    first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if cluster:
        return EnvironmentProblem(
            f"no connection to the Ray cluster: {first_line}",
            where=f"RAY_ADDRESS={cluster}",
            remedy="look with `ray status`; RAY_AUTH_MODE and the token must be the cluster's",
        )
    return EnvironmentProblem(
        f"Ray could not be started on this machine: {first_line}",
        remedy="type raygen doctor, and look into /tmp/ray/session_latest/logs",
    )


class Interruption:
    """Turns Ctrl-C and SIGTERM into a request to stop; a second one ends at once."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.problem: RaygenError | None = None
        """Why the run must stop, where it is not by a signal."""
        self._before: dict[int, Any] = {}

    def __bool__(self) -> bool:
        """Whether a stop was asked for."""
        return self.signal is not None or self.problem is not None

    def ask(self, problem: RaygenError) -> None:
        """Ask for a stop; the first problem is told."""
        self.problem = self.problem or problem

    def __enter__(self) -> Interruption:
        self.listen()
        return self

    def listen(self) -> None:
        """Take the signals, or take them back: ``ray.init`` sets a handler of its own.

        Python hands signals to the main thread only; a run in another one cannot be interrupted.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.signal(number, self._note)
            self._before.setdefault(number, handler)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
        with suppress(OSError):  # print would not do in the middle of another print
            os.write(2, _STOPPING)
