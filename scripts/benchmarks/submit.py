"""Seconds from raygen submit to the first epoch; ray job submit of a print beside it.

python scripts/benchmarks/submit.py --repeats 3

The cluster is one head on this machine, with a network and processes of its own (by unshare).
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = """
name: run{number}
task: {{name: ImageClassification, dataset: {{name: digits}}}}
search: {{algorithm: random, trials: 2, max_epochs: 2}}
"""
ADDRESS = "http://127.0.0.1:8265"
UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")


def main() -> None:
    """Start a head, time both in turns, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.inside:
        as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        os.execvp(UNSHARE[0], [*UNSHARE, *as_root, sys.executable, *sys.argv, "--inside"])
    Path("/tmp/ray").mkdir(exist_ok=True)
    for words in (["ip", "link", "set", "lo", "up"], ["mount", "-t", "tmpfs", "tmpfs", "/tmp/ray"]):
        subprocess.run(words, check=True)
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        del os.environ[name]
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # for the jobs
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        start_head()
        hello(Path(folder))  # the first job of a head is slower
        times = [(hello(Path(folder)), *submitted(Path(folder), n)) for n in range(args.repeats)]
    for each in times:
        print(" ".join(f"{seconds:.1f}" for seconds in each), flush=True)
    hellos, begun, first, returned = (
        statistics.median(column) for column in zip(*times, strict=True)
    )
    print(
        f"medians of {args.repeats}: ray job submit, to what it prints: {hellos:.1f} s; "
        f"raygen submit, to a checked cluster: {begun:.1f} s, to the first epoch: {first:.1f} s, "
        f"to the prompt: {returned:.1f} s"
    )


def start_head() -> None:
    """A head of two CPUs whose job server answers; it ends with this process."""
    words = ["start", "--head", "--num-cpus=2", "--object-store-memory=200000000", "--block"]
    subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", 8265), timeout=1).close()
        except OSError:
            assert time.monotonic() < until, "the head does not start"
            time.sleep(0.5)
        else:
            time.sleep(5)  # its agents
            return


def hello(folder: Path) -> float:
    """From the command to the moment at which the job says that it is."""
    place = folder / "hello"
    place.mkdir(exist_ok=True)
    (place / "hello.py").write_text("import time\nprint('said', time.time())\n")
    started = time.time()
    words = ["job", "submit", "--working-dir", str(place), "--", "python", "hello.py"]
    done = subprocess.run(
        [sys.executable, "-m", "ray.scripts.scripts", *words],
        env=os.environ | {"RAY_ADDRESS": ADDRESS},
        check=True,
        capture_output=True,
        text=True,
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("said")]
    return float(line.split()[1]) - started


def submitted(folder: Path, number: int) -> tuple[float, float, float]:
    """From the command to the line that says all is well, to the first epoch, to its end."""
    place = folder / f"place{number}"
    place.mkdir()
    (place / "config.yaml").write_text(CONFIG.format(number=number))
    run = folder / f"run{number}"
    started = time.time()
    words = ["submit", "config.yaml", "--cluster", ADDRESS, "--run-dir", str(run)]
    raygen = [sys.executable, "-m", "raygen"]
    subprocess.run([*raygen, *words], cwd=place, check=True, stdout=subprocess.DEVNULL)
    returned = time.time() - started
    begun = (run / "launch" / "code").stat().st_ctime - started
    subprocess.run(
        [*raygen, "attach", f"runs/run{number}"], cwd=place, check=True, capture_output=True
    )
    events = map(json.loads, (run / "journal.jsonl").read_text().splitlines())
    first = min(each["time"] for each in events if each["event"] == "report")
    return begun, first - started, returned


if __name__ == "__main__":
    main()
