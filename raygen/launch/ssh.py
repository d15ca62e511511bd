"""How is the head of a cluster reached? By ssh, with lists of words, and never as another user."""

from __future__ import annotations

import shlex
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from raygen.errors import EnvironmentProblem

_PATIENCE_S = 30.0
_FAILED = 255
"""How ssh ends when it is itself what fails."""
_OPTIONS = (
    "BatchMode=yes",
    "ConnectTimeout=10",
    "StrictHostKeyChecking=accept-new",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
    "ExitOnForwardFailure=yes",
    "LogLevel=ERROR",
)
_KNOWN = {
    "permission denied": (
        "does not let {user} in",
        "mend auth.ssh_user or auth.ssh_private_key, or add the key to authorized_keys there",
    ),
    "host key verification failed": (
        "shows another key than before",
        "if the machine was installed anew, type ssh-keygen -R {host}",
    ),
}
"""Words of ssh: what is wrong, and what mends it."""


@dataclass(frozen=True, kw_only=True)
class Ssh:
    """A way to one machine."""

    host: str
    user: str
    key: str | None = None
    """Path of the private key; without it, those that ssh tries itself."""
    proxy: str | None = None
    """A command through which ssh goes, as of ``ProxyCommand``."""
    where: str = ""
    """Where this stands; opens its errors."""

    def words(self, *flags: str) -> list[str]:
        """Begin a command line of ssh; what follows runs there."""
        options = [*_OPTIONS]
        if self.proxy:
            options.append(f"ProxyCommand={self.proxy}")
        if self.key:
            options.append("IdentitiesOnly=yes")
        named = ["-i", self.key] if self.key else []
        told = [word for option in options for word in ("-o", option)]
        return ["ssh", *told, *named, *flags, f"{self.user}@{self.host}"]

    def run(self, words: Sequence[str], into: IO[bytes], *, may_change: bool = False) -> None:
        """Write what a program prints there into a file.

        Args:
            words: The program and its arguments; no shell reads them as anything else.
            into: The file.
            may_change: Whether 1 is no failure; tar says so of files that grow meanwhile.

        Raises:
            EnvironmentProblem: The machine is not reached, or the program fails.
        """
        command = [*self.words(), shlex.join(words)]
        with tempfile.TemporaryFile() as told:
            done = _start(command, stdin=subprocess.DEVNULL, stdout=into, stderr=told).wait()
            if done == _FAILED:
                raise self.refusal(_text(told))
            if done and not (may_change and done == 1):
                said = _text(told).strip().splitlines() or ["no reason given"]
                raise EnvironmentProblem(f"{words[0]} fails there: {said[0]}", where=self.host)

    @contextmanager
    def tunnel(self, port: int) -> Iterator[int]:
        """Lead a port of this machine to one of that machine's loopback; gives its number.

        The far end runs ``cat``, which ends when our end of its input is closed: so the tunnel is
        gone when this process is, however it ends.

        Raises:
            EnvironmentProblem: The machine is not reached.
        """
        near = _free_port()
        command = [*self.words("-L", f"127.0.0.1:{near}:127.0.0.1:{port}"), "cat"]
        with tempfile.TemporaryFile() as told:
            ssh = _start(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=told)
            try:
                self._wait_for(ssh, near, told)
                yield near
            finally:
                assert ssh.stdin is not None
                ssh.stdin.close()
                ssh.terminate()
                ssh.wait()

    def refusal(self, told: str) -> EnvironmentProblem:
        """Say what ssh said in one line."""
        last = (told.strip().splitlines() or [f"no answer in {_PATIENCE_S:g} s"])[-1].strip()
        for sign, (problem, remedy) in _KNOWN.items():
            if sign in told.lower():
                return EnvironmentProblem(
                    f"{self.host} {problem.format(user=self.user)}: {last}",
                    where=self.where,
                    remedy=remedy.format(host=self.host),
                )
        return EnvironmentProblem(
            f"{self.host} is not reached: {last}",
            where=self.where,
            must="it must answer ssh",
            remedy=f"try ssh {self.user}@{self.host}",
        )

    def _wait_for(self, ssh: subprocess.Popen[bytes], near: int, told: IO[bytes]) -> None:
        until = time.monotonic() + _PATIENCE_S
        while ssh.poll() is None and time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", near), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise self.refusal(_text(told))


def _start(
    command: list[str], *, stdin: int, stdout: int | IO[bytes], stderr: IO[bytes]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr)
    except FileNotFoundError:
        raise EnvironmentProblem(
            "there is no program ssh here", must="the head of the cluster is reached by it"
        ) from None


def _text(told: IO[bytes]) -> str:
    told.seek(0)
    return told.read().decode(errors="replace")


def _free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port
