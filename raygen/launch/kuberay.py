"""What are the manifests of a run on Kubernetes? Text out of data; nothing is started here."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from typing import Any

import yaml

from raygen.errors import ConfigError
from raygen.launch.cluster_file import KubeRay
from raygen.launch.order import Order

SHARED = "/shared"
"""Where the claim is mounted in every pod."""
_CONFIG = "/raygen/config.yaml"
_HEAD = {"cpu": "2", "memory": "8G"}
"""Of the head, which runs the search and trains nothing."""
_GRACE_S = 120
"""So long Kubernetes waits for a pod that it has told to go, if the node itself has the time."""
_LONGEST = 33
"""Letters of a run's name in the name of its job, to which the operator adds some."""
_READS_S = 3600
"""After so long a pod that only reads is ended, should nobody have taken it away."""


def job_name(run: str) -> str:
    """A name as Kubernetes has them, of the name of a run; no two runs share it."""
    plain = re.sub(r"[^a-z0-9]+", "-", run.lower()).strip("-")
    if plain == run and len(plain) <= _LONGEST:
        return f"raygen-{plain}"
    mark = hashlib.sha256(run.encode()).hexdigest()[:6]
    return "-".join(["raygen", *filter(None, [plain[: _LONGEST - 7].rstrip("-")]), mark])


def manifests(cluster: KubeRay, order: Order) -> str:
    """Write a ConfigMap with the config, and a RayJob that runs it.

    The run and the winner lie in the claim, below ``/shared``. The cluster has a token of its
    own, which the operator makes, and is gone when the job is over.

    Args:
        cluster: What the pods are.
        order: What runs on the head.

    Raises:
        ConfigError: The run would lie elsewhere, or the config names files beside it.
    """
    if not order.run.is_relative_to(SHARED):
        raise ConfigError(
            f"{str(order.run)!r} given",
            where="--run-dir",
            must=f"it must lie below {SHARED}, where the pods mount the claim",
            remedy=f"for example {SHARED}/runs/{order.name}",
        )
    for key, path in order.files:
        raise ConfigError(
            f"{path} ({key}) is beside the config",
            where=str(order.config),
            must="nothing but the config itself is shipped to Kubernetes",
            remedy=f"put it into the claim and give its full path there, {SHARED}/...",
        )
    name, run = job_name(order.name), str(order.run)
    command = order.command([cluster.python], _CONFIG, run, f"{run}/model.py")
    about = {"name": name, "namespace": cluster.namespace}
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": about,
        "data": {"config.yaml": order.config.read_text(encoding="utf-8")},
    }
    environment = {
        "env_vars": {"RAY_ADDRESS": "auto", "RAY_USAGE_STATS_ENABLED": "0"},
        **order.packages.settings,
    }
    job = {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": about,
        "spec": {
            "entrypoint": shlex.join(command),
            "runtimeEnvYAML": json.dumps(environment),
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": round(cluster.keep),
            "backoffLimit": 3,
            "rayClusterSpec": _ray_cluster(cluster, name),
        },
    }
    return str(yaml.dump_all([config, job], Dumper=_Dumper, sort_keys=False, width=100))


def reader(manifests: str, name: str) -> str:
    """A pod that does nothing but mount the claim of a run, to copy files out of it.

    Args:
        manifests: Those of the run.
        name: Of the pod.
    """
    _, job = yaml.safe_load_all(manifests)
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    about = {**job["metadata"], "name": name}
    container = {
        "name": "files",
        "image": head["containers"][0]["image"],
        "command": ["sleep", str(_READS_S)],
        "volumeMounts": [{"name": "shared", "mountPath": SHARED, "readOnly": True}],
    }
    spec = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": _READS_S,
        "containers": [container],
        "volumes": [each for each in head["volumes"] if each["name"] == "shared"],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec}
    return str(yaml.dump(pod, Dumper=_Dumper, sort_keys=False, width=100))


class _Dumper(yaml.SafeDumper):
    """Writes everything out, without aliases, and texts of several lines as such."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def _ray_cluster(cluster: KubeRay, name: str) -> dict[str, Any]:
    most = cluster.most_nodes or cluster.nodes
    resources = {
        "cpu": str(cluster.cpus_per_node),
        "memory": f"{cluster.memory_gb_per_node:g}G",
        **({"nvidia.com/gpu": str(cluster.gpus_per_node)} if cluster.gpus_per_node else {}),
    }
    return {
        "authOptions": {"mode": "token"},
        "enableInTreeAutoscaling": most > cluster.nodes,
        "headGroupSpec": {
            "rayStartParams": {"num-cpus": "0"},
            "template": _pod(cluster, name, "ray-head", _HEAD),
        },
        "workerGroupSpecs": [
            {
                "groupName": "workers",
                "replicas": cluster.nodes,
                "minReplicas": min(cluster.nodes, most),
                "maxReplicas": most,
                "rayStartParams": {},
                "template": _worker_pod(cluster, name, resources),
            }
        ],
    }


def _worker_pod(cluster: KubeRay, name: str, resources: dict[str, str]) -> dict[str, Any]:
    """A pod that trains; one that must go has time to save, and its trials go on elsewhere."""
    template = _pod(cluster, name, "ray-worker", resources)
    template["spec"]["terminationGracePeriodSeconds"] = _GRACE_S
    drain = {"name": "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S", "value": str(_GRACE_S - 10)}
    template["spec"]["containers"][0]["env"] = [drain]
    if cluster.node_selector:
        template["spec"]["nodeSelector"] = dict(cluster.node_selector)
    return template


def _pod(
    cluster: KubeRay,
    name: str,
    container: str,
    resources: dict[str, str],
) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "containers": [
            {
                "name": container,
                "image": cluster.image,
                "resources": {"limits": resources, "requests": resources},
                "volumeMounts": [
                    {"name": "shared", "mountPath": SHARED},
                    {"name": "config", "mountPath": "/raygen", "readOnly": True},
                ],
            }
        ],
        "volumes": [
            {"name": "shared", "persistentVolumeClaim": {"claimName": cluster.claim}},
            {"name": "config", "configMap": {"name": name}},
        ],
    }
    return {"spec": spec}
