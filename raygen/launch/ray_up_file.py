"""What does a file of ``ray up`` say, as far as RayGen must know it, and can it be meant?"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from raygen.config.origin import Origin
from raygen.config.words import did_you_mean, listed, show
from raygen.errors import ConfigError
from raygen.launch.ray_cluster import JOB_PORT, TOKEN, RayCluster
from raygen.launch.ssh import Ssh

PROVIDERS = ("local", "aws", "gcp", "azure", "aliyun", "vsphere", "external")
"""Of those that Ray knows, the ones whose machines ``ray up`` starts and ssh reaches."""
_OLD = ("min_workers",)
"""Keys that Ray still takes of machines of one's own, and then rewrites."""


def cluster_of(values: Mapping[str, Any], origin: Origin) -> RayCluster:
    """What a file of Ray's cluster launcher says, as far as RayGen must know it.

    Args:
        values: What it holds.
        origin: Where that stands.

    Raises:
        ConfigError: It says something that Ray does not take, or holds no token.
    """
    _check_schema(values, origin)
    _check_needed(values, origin)
    _check_words(values, origin)
    _check_types(values.get("available_node_types") or {}, values, origin)
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


def _check_needed(values: Mapping[str, Any], origin: Origin) -> None:
    """Refuse a file without what Ray itself would miss only later."""
    needed = [("provider", "type"), ("auth", "ssh_user")]
    if (values["provider"] or {}).get("type") == "local":
        needed.append(("provider", "head_ip"))
    for section, key in needed:
        if not (values.get(section) or {}).get(key):
            where = origin.where(f"{section}.{key}")
            raise ConfigError("missing", where=where, must="see cluster/onprem.yaml")


def _check_words(values: Mapping[str, Any], origin: Origin) -> None:
    """Refuse a provider that is none, and a user or a host that ssh would take for an option."""
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


def _check_types(
    types: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any], origin: Origin
) -> None:
    """Refuse a head of no type, and more machines at first than there may be."""
    head = values.get("head_node_type")
    if types and head not in types:
        raise ConfigError(
            f"{show(head)} given",
            where=origin.where("head_node_type"),
            must=f"it must be one of available_node_types: {listed(types)}",
        )
    for name, each in types.items():
        least = each.get("min_workers", 0)
        if least > (most := each.get("max_workers", least)):
            raise ConfigError(
                f"{least} given, and max_workers: {most}",
                where=origin.where(f"available_node_types.{name}.min_workers"),
                must="it must not be above max_workers",
            )


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
        if there.endswith(TOKEN):
            return str(here)
    if os.environ.get("RAY_AUTH_MODE") == "disabled":
        return ""
    raise ConfigError(
        "no token given",
        where=origin.where("file_mounts"),
        must="who reaches a cluster without a token can run anything on it",
        remedy=f'write "~/{TOKEN}": "~/{TOKEN}" as cluster/onprem.yaml does; '
        "RAY_AUTH_MODE=disabled does without",
    )


def _file(path: str, where: str) -> str:
    found = Path(path).expanduser()
    if not found.is_file():
        raise ConfigError(f"{show(path)} given", where=where, must="there must be such a file")
    return str(found)
