"""Prints the address of this node: ``python -m raygen.launch.own_address``."""

from __future__ import annotations

import os
import socket


def own_address() -> str:
    """What the node's name stands for: Slurm's name of it, or else the host's own."""
    return socket.gethostbyname(os.environ.get("SLURMD_NODENAME") or socket.gethostname())


if __name__ == "__main__":
    print(own_address())
