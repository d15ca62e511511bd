"""A Ray cluster of several nodes on this machine, moved by lines on its standard input.

It runs in a process of its own, and never calls ``ray stop``, which would end every Ray that it
can see. Its argument are the CPUs of each node. Lines: ``add``, ``kill NUMBER`` (of a node; 0 is
the head), ``blind FOLDER`` (a node to which that folder is empty; by root), ``start`` (a node by
``ray start``), ``leave`` (have the node that was started last leave by SIGTERM, and wait until it
has), ``quit``. Each is answered.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from ray.cluster_utils import Cluster


def main() -> None:
    """Start the head, tell its address, and do as told."""
    cpus = int(sys.argv[1])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cpus})
    nodes = [cluster.head_node]
    others: list[subprocess.Popen[bytes]] = []
    print(cluster.address, flush=True)
    for line in sys.stdin:
        match line.split():
            case ["add"]:
                nodes.append(cluster.add_node(num_cpus=cpus))
            case ["kill", number]:
                for started in nodes[int(number)].all_processes["raylet"]:
                    os.kill(started.process.pid, signal.SIGKILL)
            case ["blind", folder]:
                others.append(start_blind(cluster.address, cpus, folder))
            case ["start"]:
                others.append(start(cluster.address, cpus))
            case ["leave"]:
                others[-1].terminate()
                others[-1].wait()
            case _:
                break
        print("done", flush=True)
    for each in others:
        each.kill()  # and with it all that runs in its namespaces
    with contextlib.suppress(Exception):  # of nodes that were killed
        cluster.shutdown()


def start_blind(address: str, cpus: int, folder: str) -> subprocess.Popen[bytes]:
    """A node with a file system of its own, as far as that folder goes."""
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
    hide = 'mount -t tmpfs tmpfs "$0" && mount -t tmpfs tmpfs /tmp/ray && exec "$@"'
    return start(address, cpus, [*unshare, "sh", "-c", hide, folder])


def start(address: str, cpus: int, before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """A node as ``ray start`` makes it, by words that come before it."""
    words = ["start", f"--address={address}", f"--num-cpus={cpus}", "--block"]
    words += ["--object-store-memory=100000000", "--dashboard-agent-listen-port=0"]
    return subprocess.Popen(
        [*before, sys.executable, "-m", "ray.scripts.scripts", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    main()
