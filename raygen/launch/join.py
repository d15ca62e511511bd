"""Lends this node to a Ray cluster, ``python -m raygen.launch.join FILE``: heads may come and go.

The head leaves its address in a file that all nodes see. A head that begins anew leaves another;
at the end of the run the file says so. When Slurm wants the node back, Ray is told first, so that
what trains there saves and goes on elsewhere.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

OVER = "over"
"""What the file says at the end of the run."""
_LOOK_S = 2.0
_PATIENCE_S = 900.0
"""For so long a node waits for a head."""
_END_S = 20.0
_DRAIN_S = float(os.environ.get("RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S", "30"))
"""So long Ray waits until nothing runs any more on a node that is told to go."""


def lend(meeting: Path, options: Sequence[str], *, patience_s: float = _PATIENCE_S) -> bool:
    """Join each head in its turn; returns at the end of the run.

    Args:
        meeting: The file.
        options: Further words of ``ray start``.
        patience_s: How long to wait for a head.

    Returns:
        Whether the run is over; else no head came.
    """
    left_at, lost_at, patience = "", time.monotonic(), _END_S
    node: subprocess.Popen[bytes] | None = None
    try:
        while True:
            said = read_meeting(meeting)
            if said == OVER:
                return True
            if node is not None and (node.poll() is not None or said != left_at):
                _end(node)  # its head is gone, or another one is there
                node, lost_at = None, time.monotonic()
            if node is None and said and said != left_at:
                address = said.split()[0]
                print(f"joining the head at {address}", flush=True)
                left_at = said
                node = _join(address, options)
            if node is None and time.monotonic() - lost_at > patience_s:
                return False
            time.sleep(_LOOK_S)
    except SystemExit:  # by a signal, while the head is there: what trains here moves first
        patience += _DRAIN_S
        raise
    finally:
        if node is not None:
            _end(node, patience)


def read_meeting(meeting: Path) -> str:
    """What the file says: an address and which start it is of, the end, or nothing yet."""
    try:
        return meeting.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def _join(address: str, options: Sequence[str]) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "ray.scripts.scripts", "start", f"--address={address}"]
    return subprocess.Popen([*words, *options, "--block"])


def _end(node: subprocess.Popen[bytes], patience_s: float = _END_S) -> None:
    node.terminate()
    try:
        node.wait(timeout=patience_s)
    except subprocess.TimeoutExpired:
        node.kill()
        node.wait()


def main() -> None:
    """Lend this node until the run is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("meeting", type=Path, help="file with the address of the head")
    args, options = parser.parse_known_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # Slurm wants the node back
    if not lend(args.meeting, options):
        sys.exit(f"Error: no head has left its address in {args.meeting} for {_PATIENCE_S:g} s")


if __name__ == "__main__":
    main()
