"""Waits until a Ray cluster is there: ``python -m raygen.launch.wait_for_nodes 2``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

_HEAD_S = 120.0
_ALL_S = 600.0
_ASK_S = 10.0


def wait_for_head(address: str, seconds: float = _HEAD_S) -> bool:
    """Whether a head answers in time."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:  # it hangs where nobody listens yet
            done = subprocess.run(command, capture_output=True, timeout=_ASK_S, check=False)
        except subprocess.TimeoutExpired:
            continue
        if done.returncode == 0:
            return True
        time.sleep(0.5)
    return False


def wait_for_nodes(count: int, seconds: float = _ALL_S) -> int:
    """Nodes that are there once all are, or when the time is over; the wait is told."""
    import ray

    ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
    until, told = time.monotonic() + seconds, 0.0
    while True:
        alive = len([node for node in ray.nodes() if node["Alive"]])
        if alive >= count or time.monotonic() > until:
            ray.shutdown()
            return alive
        if time.monotonic() - told > 30:
            told = time.monotonic()
            left = round(until - told)
            print(f"waiting for nodes: {alive} of {count} are there, {left} s left", flush=True)
        time.sleep(0.5)


def main() -> None:
    """Wait, and end with 1 if it was for nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, help="nodes that there must be")
    args = parser.parse_args()
    address = os.environ["RAY_ADDRESS"]
    if not wait_for_head(address):
        sys.exit(f"Error: the head at {address} does not answer after {_HEAD_S:g} s")
    if (alive := wait_for_nodes(args.count)) < args.count:
        sys.exit(f"Error: {alive} of {args.count} nodes are there after {_ALL_S:g} s")


if __name__ == "__main__":
    main()
