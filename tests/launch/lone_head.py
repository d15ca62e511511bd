"""A head with a job server, in a network and with processes of its own.

``python lone_head.py PYTHON WORD...`` starts it with an interpreter, runs a command beside it, and
ends with the command's code. Everything goes with it.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")
ADDRESS = "http://127.0.0.1:8265"


def main() -> None:
    """Become the only process of a new network, start the head, run the command."""
    if os.getpid() != 1:
        os.execvp(UNSHARE[0], [*UNSHARE, sys.executable, *sys.argv])
    python, *words = sys.argv[1:]
    Path("/tmp/ray").mkdir(exist_ok=True)
    for each in (["ip", "link", "set", "lo", "up"], ["mount", "-t", "tmpfs", "tmpfs", "/tmp/ray"]):
        subprocess.run(each, check=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment |= {"RAY_USAGE_STATS_ENABLED": "0"}
    start = ["start", "--head", "--num-cpus=2", "--object-store-memory=200000000"]
    subprocess.run(
        [python, "-m", "ray.scripts.scripts", *start, "--node-ip-address=127.0.0.1"],
        env=environment | {"PATH": f"{Path(python).parent}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    until = time.monotonic() + 60
    while not _answers(environment["RAY_AUTH_TOKEN"]):
        assert time.monotonic() < until, "no job server answers"
        time.sleep(0.5)
    sys.exit(subprocess.run(words, env=environment, check=False).returncode)


def _answers(token: str) -> bool:
    asked = urllib.request.Request(
        f"{ADDRESS}/api/version", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        return urllib.request.urlopen(asked, timeout=2).status == 200
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    main()
