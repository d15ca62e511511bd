"""A head without CPUs, and Ray's autoscaler, which starts up to two nodes of one CPU when asked.

``python growing_cluster.py FOLDER WORD...`` runs a command beside it, in a network and with
processes of its own, and ends with the command's code. Everything goes with it.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")
NODE = {"resources": {"CPU": 1, "object_store_memory": 100 * 2**20}, "node_config": {}}
SETTINGS = {
    "cluster_name": "growing",
    "max_workers": 2,
    "idle_timeout_minutes": 5,
    "provider": {
        "type": "fake_multinode",
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
        "foreground_node_launch": True,
    },
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "worker": {**NODE, "min_workers": 0, "max_workers": 2},
    },
    "head_node_type": "ray.head.default",
    "auth": {},
    "docker": {},
    "upscaling_speed": 1.0,
    "file_mounts_sync_continuously": False,
    **{key: {} for key in ("file_mounts", "head_node", "worker_nodes")},
    **{
        key: []
        for key in (
            "cluster_synced_files",
            "rsync_exclude",
            "rsync_filter",
            "initialization_commands",
            "setup_commands",
            "head_setup_commands",
            "worker_setup_commands",
            "head_start_ray_commands",
            "worker_start_ray_commands",
        )
    },
}


def main() -> None:
    """Become the only process of a new network, start the head, run the command."""
    if os.getpid() != 1:
        os.execvp(UNSHARE[0], [*UNSHARE, sys.executable, *sys.argv])
    folder, *words = sys.argv[1:]
    Path("/tmp/ray").mkdir(exist_ok=True)
    for each in (["ip", "link", "set", "lo", "up"], ["mount", "-t", "tmpfs", "tmpfs", "/tmp/ray"]):
        subprocess.run(each, check=True)
    settings = Path(folder) / "growing.json"
    settings.write_text(json.dumps(SETTINGS))
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    own["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, **own, "RAY_USAGE_STATS_ENABLED": "0", "RAY_ADDRESS": "auto"}
    start = ["start", "--head", "--num-cpus=0", "--object-store-memory=200000000"]
    subprocess.run(
        [sys.executable, "-m", "ray.scripts.scripts", *start, f"--autoscaling-config={settings}"],
        env={
            **environment,
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "RAY_FAKE_CLUSTER": "1",
            "RAY_enable_autoscaler_v2": "0",
        },
        stdout=subprocess.DEVNULL,
        check=True,
    )
    sys.exit(subprocess.run(words, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
