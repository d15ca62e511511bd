"""Which Ray cluster is meant: that of a file of ``ray up``, or one that is there already?"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from raygen.errors import ConfigError, EnvironmentProblem
from raygen.launch.ssh import Ssh

JOB_PORT = 8265
"""Of Ray's dashboard, which serves jobs."""
TOKEN = ".ray/auth_token"
"""Where Ray keeps a token, below the home folder."""


@dataclass(frozen=True, kw_only=True)
class RayCluster:
    """How one gets to its job server."""

    name: str
    """The file, by its full path, or the address."""
    address: str = ""
    """Of the job server, where it is reached without ssh."""
    provider: str = ""
    """Who gives its machines: local, aws, ...; empty where only the address is known."""
    ssh: Ssh | None = None
    """The way to the head; its host is empty until a cloud has said it."""
    container: tuple[str, ...] = ()
    """Words that run a command where Ray runs on the head, if that is in a container there."""
    port: int = JOB_PORT
    """Of the job server on the head's loopback."""
    token: str = ""
    """Path of the file with the cluster's token; empty where Ray's own places are looked at."""
    nodes: int = 1
    """Nodes that there are at first, the head included."""
    most: int = 1
    """Nodes that Ray's autoscaler may make of them."""


def cluster_at(address: str) -> RayCluster:
    """A cluster that is there already.

    Raises:
        ConfigError: The address is none of a job server.
    """
    none = ConfigError(
        f"{re.sub('//.*@', '//', address)!r} given",
        where="--cluster",
        must="it must be a file, ray://HOST:PORT, or http://HOST:8265",
    )
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:  # half a bracket, or a port that is no number or above 65535
        raise none from None
    if parts.scheme not in ("http", "https", "ray") or not parts.hostname or port == 0:
        raise none
    if parts.scheme == "ray" and parts.path not in ("", "/"):
        raise none
    if parts.username or parts.password or parts.query:
        raise ConfigError(
            "more than an address given",
            where="--cluster",
            must="who may use the cluster is known by its token, in no address",
            remedy="put the token into ~/.ray/auth_token",
        )
    if parts.scheme == "ray":  # the port is that of Ray Client, which has no jobs
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return RayCluster(name=address, address=f"http://{host}:{JOB_PORT}")
    return RayCluster(name=address, address=address.rstrip("/"))


def read_token(cluster: RayCluster) -> str:
    """The token that the cluster asks for; empty if none is known.

    Raises:
        EnvironmentProblem: Its file cannot be read.
    """
    if os.environ.get("RAY_AUTH_MODE") == "disabled":
        return ""
    if not cluster.token and (given := os.environ.get("RAY_AUTH_TOKEN")):
        return _checked(given, "RAY_AUTH_TOKEN")
    named = cluster.token or os.environ.get("RAY_AUTH_TOKEN_PATH", "")
    path = Path(named).expanduser() if named else Path.home() / TOKEN
    if not named and not path.exists():
        return ""
    try:
        return _checked(path.read_text(encoding="utf-8", errors="replace"), str(path))
    except OSError as error:
        told = error.strerror or "cannot be read"
        raise EnvironmentProblem(
            told,
            where=str(path),
            must="it must hold the token of the cluster",
            remedy="type ray get-auth-token --generate && chmod 600 ~/.ray/auth_token",
        ) from None


def _checked(token: str, where: str) -> str:
    """A token, if it can be one; else it is not shown."""
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise EnvironmentProblem(
            "what it holds is no token",
            where=where,
            must="it must be one word of letters, digits and signs, on one line",
            remedy="type ray get-auth-token --generate && chmod 600 ~/.ray/auth_token",
        )
    return token
