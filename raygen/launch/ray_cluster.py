"""Which Ray cluster is meant: that of a file of ``ray up``, or one that is there already?"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from raygen.config.origin import Origin
from raygen.config.words import did_you_mean, listed, show
from raygen.errors import ConfigError, EnvironmentProblem
from raygen.launch.ssh import Ssh

JOB_PORT = 8265
"""Of Ray's dashboard, which serves jobs."""
_TOKEN = ".ray/auth_token"


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


def cluster_of(values: Mapping[str, Any], origin: Origin) -> RayCluster:
    """What a file of Ray's cluster launcher says, as far as RayGen must know it.

    Args:
        values: What it holds.
        origin: Where that stands.

    Raises:
        ConfigError: It says something that Ray does not take, or holds no token.
    """
    _check_schema(values, origin)
    provider, auth = values["provider"], values.get("auth", {})
    workers = provider.get("worker_ips", [])
    types = values.get("available_node_types", {})
    least = sum(each.get("min_workers", 0) for each in types.values())
    if provider["type"] == "local":
        least = _local_workers(values, len(workers), origin)
    starts = " ".join(values.get("head_start_ray_commands", ()))
    port = re.search(r"--dashboard-port[= ](\d+)", starts)
    key = auth.get("ssh_private_key")
    return RayCluster(
        name=str(Path(origin.file).resolve()),
        provider=provider["type"],
        ssh=Ssh(
            host=provider.get("head_ip", ""),
            user=auth["ssh_user"],
            key=None if key is None else _file(key, origin.where("auth.ssh_private_key")),
            proxy=auth.get("ssh_proxy_command"),
            where=origin.where("provider"),
        ),
        container=_container_of(values.get("docker") or {}),
        port=int(port[1]) if port else JOB_PORT,
        token=_token_of(values, origin),
        nodes=1 + least,
        most=1 + max(least, values.get("max_workers", len(workers))),
    )


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
    path = Path(named).expanduser() if named else Path.home() / _TOKEN
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


def _check_schema(values: Mapping[str, Any], origin: Origin) -> None:
    import jsonschema  # Ray needs it, too

    spec = find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "autoscaler" / "ray-schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    known = schema["properties"]
    for key in values:
        if key not in known and key not in _OLD:
            raise ConfigError(
                "unknown key",
                where=origin.where(key),
                must=f"it must be one of {listed(known)}",
                remedy=did_you_mean(key, known),
            )
    kept = {key: value for key, value in values.items() if key in known}
    found = jsonschema.Draft7Validator(schema).iter_errors(kept)
    for error in sorted(found, key=lambda each: len(each.path), reverse=True):
        if error.validator == "required" and not error.path:
            continue  # Ray fills in what is not there
        path_told = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path
        ).lstrip(".")
        raise ConfigError(error.message[:200], where=origin.where(path_told))
    for section, key in (("provider", "type"), ("auth", "ssh_user")):
        if key not in (values.get(section) or {}):
            raise ConfigError(
                "missing", where=origin.where(f"{section}.{key}"), must="see cluster/"
            )
    kind = values["provider"]["type"]
    if kind not in PROVIDERS:
        raise ConfigError(
            f"{show(kind)} given",
            where=origin.where("provider.type"),
            must=f"it must be one of {listed(PROVIDERS)}",
            remedy=did_you_mean(kind, PROVIDERS),
        )
    for section, key in (("auth", "ssh_user"), ("provider", "head_ip")):
        given = str(values[section].get(key, ""))
        if given.startswith("-") or re.search(r"\s", given):
            raise ConfigError(
                f"{show(given)} given",
                where=origin.where(f"{section}.{key}"),
                must="it must be one word that does not begin with a dash",
            )
    types = values.get("available_node_types") or {}
    if types and values.get("head_node_type") not in types:
        raise ConfigError(
            f"{show(values.get('head_node_type'))} given",
            where=origin.where("head_node_type"),
            must=f"it must be one of available_node_types: {listed(types)}",
        )
    for name, each in types.items():
        least, most = (
            each.get("min_workers", 0),
            each.get("max_workers", each.get("min_workers", 0)),
        )
        if least > most:
            raise ConfigError(
                f"{least} given, and max_workers: {most}",
                where=origin.where(f"available_node_types.{name}.min_workers"),
                must="it must not be above max_workers",
            )
    if kind == "local" and not values["provider"].get("head_ip"):
        raise ConfigError(
            "missing", where=origin.where("provider.head_ip"), must="see cluster/onprem.yaml"
        )


PROVIDERS = ("local", "aws", "gcp", "azure", "aliyun", "vsphere", "external")
"""Of those that Ray knows, the ones whose machines ``ray up`` starts and ssh reaches."""
_OLD = ("min_workers",)
"""Keys that Ray still takes of machines of one's own, and then rewrites."""


def _local_workers(values: Mapping[str, Any], there: int, origin: Origin) -> int:
    """Workers that a cluster of one's own machines has at first."""
    most = min(there, values.get("max_workers", there))
    least = values.get("min_workers", most)
    if type(least) is not int or not 0 <= least <= most:
        raise ConfigError(
            f"{show(least)} given",
            where=origin.where("min_workers"),
            must=f"it must be a whole number from 0 to {most}, "
            "with a machine of provider.worker_ips for each, and not above max_workers",
        )
    return least


def _container_of(docker: Mapping[str, Any]) -> tuple[str, ...]:
    """What runs a command in the container that ``ray up`` starts; nothing if it starts none."""
    if not docker.get("container_name"):
        return ()
    program = "podman" if docker.get("use_podman") else "docker"
    return program, "exec", docker["container_name"]


def _token_of(values: Mapping[str, Any], origin: Origin) -> str:
    """The file here that becomes the token of all nodes."""
    for there, here in (values.get("file_mounts") or {}).items():
        if there.endswith(_TOKEN):
            return str(here)
    if os.environ.get("RAY_AUTH_MODE") == "disabled":
        return ""
    raise ConfigError(
        "no token given",
        where=origin.where("file_mounts"),
        must="who reaches a cluster without a token can run anything on it",
        remedy=f'write "~/{_TOKEN}": "~/{_TOKEN}" as cluster/onprem.yaml does; '
        "RAY_AUTH_MODE=disabled does without",
    )


def _file(path: str, where: str) -> str:
    found = Path(path).expanduser()
    if not found.is_file():
        raise ConfigError(f"{show(path)} given", where=where, must="there must be such a file")
    return str(found)
