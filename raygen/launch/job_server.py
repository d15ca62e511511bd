"""How does one talk to the job server of a Ray cluster? Through a tunnel, with its token."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from raygen.errors import EnvironmentProblem
from raygen.launch.ray_cluster import JOB_PORT, RayCluster, read_token

_RAY = ((2, 50), (3,))
_HIDDEN = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_JOB_HEADERS")
"""Variables that Ray lets take the place of the address that it is given."""
_START_S = 60.0
_CONNECT_S = 10.0
_ANSWER_S = 30.0


class NotUp(EnvironmentProblem):
    """The head is reached, and no job server answers there."""


class NoAnswer(EnvironmentProblem):
    """The job server is there, and says nothing."""


@contextmanager
def job_server(cluster: RayCluster) -> Iterator[Any]:
    """Ray's client of the job server, for as long as the block lasts.

    Raises:
        NotUp: There is none on the head.
        EnvironmentProblem: The head is not reached, does not take our token, has another Ray.
    """
    if find_spec("aiohttp") is None:
        raise EnvironmentProblem(
            "the client of Ray's job server is not installed",
            must="it needs ray[default]",
            remedy="type pip install 'raygen[cluster]'",
        )
    token = read_token(cluster)
    with ExitStack() as exits:
        if cluster.ssh is not None:
            near = exits.enter_context(with_host(cluster).tunnel(cluster.port))
            address, where = f"http://127.0.0.1:{near}", f"the head {cluster.ssh.host}"
        else:
            address, where = cluster.address, cluster.address
            _check_listens(address)
        with _hidden(), told(where):
            try:
                client = _client(address, token)
            except (KeyError, TypeError):  # other JSON than Ray's
                raise _no_job_server(where) from None
        _check_ray(client, where)
        with told(where):
            yield client


def with_host(cluster: RayCluster) -> Any:
    """The way to its head, which a cloud must be asked for.

    Raises:
        NotUp: The cloud knows of no head.
    """
    assert cluster.ssh is not None
    if cluster.ssh.host:
        return cluster.ssh
    done = subprocess.run(
        _ray("get-head-ip", cluster.name), capture_output=True, text=True, check=False
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise NotUp("it has no head yet", where=cluster.name, remedy="type ray up")
    return replace(cluster.ssh, host=lines[-1].strip())


def up_command(cluster: RayCluster) -> tuple[Mapping[str, str], list[str]]:
    """What starts a cluster: variables, and words."""
    # the autoscaler's second version starts no workers of one's own machines (Ray 2.60)
    own = {"RAY_UP_enable_autoscaler_v2": "0"} if cluster.provider == "local" else {}
    words = ["up", "--yes", "--no-config-cache", cluster.name]
    return {**own, "RAY_USAGE_STATS_ENABLED": "0"}, words


def start(cluster: RayCluster, log: Path) -> None:
    """Start it, and wait for its job server.

    Raises:
        EnvironmentProblem: It does not start.
    """
    variables, words = up_command(cluster)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        code = subprocess.run(
            _ray(*words),
            env=os.environ | variables,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if code:
        text = log.read_text(encoding="utf-8", errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        raise EnvironmentProblem(
            f"ray up fails: {lines[-1].strip()[:300] if lines else 'no reason given'}",
            where=cluster.name,
            remedy=f"all it said is in {log}",
        )
    until = time.monotonic() + _START_S
    while True:
        try:
            with job_server(cluster):
                return
        except NotUp:
            if time.monotonic() > until:
                raise
        time.sleep(1)


@contextmanager
def told(where: str) -> Iterator[None]:
    """Turn what Ray's client raises into one line.

    Raises:
        EnvironmentProblem: It raised something.
    """
    import requests
    from ray.exceptions import AuthenticationError

    try:
        yield
    except AuthenticationError as error:
        missing = "Authentication required" in str(error)
        raise EnvironmentProblem(
            "it asks for a token, and none is known here"
            if missing
            else "it asks for another token",
            where=where,
            must="the token must be the cluster's",
            remedy="put it into ~/.ray/auth_token, or name its file in file_mounts",
        ) from None
    except requests.exceptions.SSLError as error:
        raise EnvironmentProblem(
            f"TLS fails: {_first(error)}",
            where=where,
            must="a server of https must have a certificate that is trusted here",
            remedy="name its own in REQUESTS_CA_BUNDLE, or write http:// for one without TLS",
        ) from None
    except requests.exceptions.Timeout:
        raise NoAnswer(
            f"it has not answered for {_ANSWER_S:g} s",
            where=where,
            must="Ray's job server must be there, and not be stuck",
            remedy="look with ray status there",
        ) from None
    except requests.exceptions.JSONDecodeError:
        raise _no_job_server(where) from None
    except (ConnectionError, requests.exceptions.ConnectionError):
        raise NotUp(
            "no job server answers",
            where=where,
            must="Ray must run there, with its dashboard",
            remedy="type ray up FILE, or look with ray status there",
        ) from None
    except (RuntimeError, requests.exceptions.RequestException) as error:
        raise EnvironmentProblem(_first(error), where=where) from None


def _no_job_server(where: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        "what answers is no job server of Ray's",
        where=where,
        must=f"its dashboard must be meant (port {JOB_PORT})",
    )


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _client(address: str, token: str) -> Any:
    from ray.job_submission import JobSubmissionClient  # ray: half a second

    logging.getLogger("ray.dashboard").setLevel(logging.WARNING)
    for module in ("dashboard_sdk", "job.sdk"):  # whose levels are set when they are imported
        logging.getLogger(f"ray.dashboard.modules.{module}").setLevel(logging.WARNING)
    headers = {"Authorization": f"Bearer {token}"} if token else None

    class Impatient(JobSubmissionClient):  # type: ignore[misc]  # Ray has no types
        """Ray's own waits for ever for a server that says nothing."""

        def _do_request(self, *args: Any, **kwargs: Any) -> Any:
            return super()._do_request(*args, timeout=_ANSWER_S, **kwargs)

    return Impatient(address, headers=headers)


def _check_listens(address: str) -> None:
    """Refuse an address where nobody is, in seconds and not in minutes."""
    parts = urlsplit(address)
    port = parts.port or {"https": 443, "http": 80}[parts.scheme]
    try:
        socket.create_connection((parts.hostname or "", port), timeout=_CONNECT_S).close()
    except OSError as error:
        reason = error.strerror or str(error) or "no answer"
        raise EnvironmentProblem(
            f"nobody answers: {reason}",
            where=address,
            must=f"the job server of a cluster must be reached from here (port {JOB_PORT})",
            remedy="with ssh: give the cluster's file, or open ssh -L 8265:127.0.0.1:8265 HEAD",
        ) from None


def _check_ray(client: Any, where: str) -> None:
    """Refuse a Ray that RayGen does not run on."""
    version = str(client._server_ray_version or "")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    least, below = _RAY
    if not least <= numbers < below:
        raise EnvironmentProblem(
            f"Ray {version or 'of an unknown version'} runs there",
            where=where,
            must="it must be 2.50 or newer, below 3",
            remedy="install one ray for all nodes, then ray up",
        )


@contextmanager
def _hidden() -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in _HIDDEN if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def _ray(*words: str) -> list[str]:
    return [sys.executable, "-m", "ray.scripts.scripts", *words]
