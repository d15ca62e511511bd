"""A Ray cluster of several nodes on this machine, moved by lines on its standard input.

It runs in a process of its own, and never calls ``ray stop``, which would end every Ray that it
can see. Its argument are the CPUs of each node. Lines: ``add``, ``kill NUMBER`` (of a node; 0 is
the head), ``quit``. Each is answered.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from ray.cluster_utils import Cluster


def main() -> None:
    """Start the head, tell its address, and do as told."""
    cpus = int(sys.argv[1])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cpus})
    nodes = [cluster.head_node]
    print(cluster.address, flush=True)
    for line in sys.stdin:
        match line.split():
            case ["add"]:
                nodes.append(cluster.add_node(num_cpus=cpus))
            case ["kill", number]:
                for started in nodes[int(number)].all_processes["raylet"]:
                    os.kill(started.process.pid, signal.SIGKILL)
            case _:
                break
        print("done", flush=True)
    with contextlib.suppress(Exception):  # of nodes that were killed
        cluster.shutdown()


if __name__ == "__main__":
    main()
