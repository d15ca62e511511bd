"""Does a run get onto machines reached by ssh, outlive the laptop's side, and come back?"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_network import HEAD, ROOT, WORKER, SmallNetwork, lacking

pytestmark = pytest.mark.slow

CONFIG = """\
name: digits
task: {name: ImageClassification, dataset: {name: digits}}
model:
  layers: [flatten, {dense: {units: $width}}]
  parameters: {width: {int: [4, 64]}, learning_rate: {float: [0.001, 0.1], log: true}}
search: {algorithm: random, trials: 20, max_epochs: 3}
rank: {top: 1, folds: 2}
"""
RAYGEN = (sys.executable, "-m", "raygen")
RAY = (sys.executable, "-m", "ray.scripts.scripts")
METADATA = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"TRUE")
HTTPServer(("127.0.0.1", 8169), Handler).handle_request()
"""
ALIVE = """
import ray
ray.init(address="auto", logging_level="ERROR", log_to_driver=False)
print([node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]])
"""
NO_TOKEN = """
import ray, sys
try:
    ray.init(address=sys.argv[1], log_to_driver=False)
except ConnectionError:
    sys.exit("refused")
print(ray.nodes())
"""


@pytest.fixture
def network(tmp_path: Path) -> Iterator[SmallNetwork]:
    """A laptop, a head and a worker; no Ray runs yet."""
    if reason := lacking():
        pytest.skip(reason)
    pytest.importorskip("aiohttp")
    folder = tmp_path / "n"
    folder.mkdir()
    with SmallNetwork(folder) as made:
        yield made


def events(journal: Path) -> list[dict[str, Any]]:
    """What a run has noted."""
    return [json.loads(line) for line in journal.read_text().splitlines()]


def wait_for(said: Path, word: str, seconds: float = 120) -> None:
    """Until a command has said something."""
    until = time.monotonic() + seconds
    while word not in said.read_text():
        assert time.monotonic() < until, said.read_text()
        time.sleep(0.2)


def test_a_run_on_two_machines(network: SmallNetwork, tmp_path: Path) -> None:
    """From submit, which starts the cluster, to ray down; nothing without the token."""
    place = tmp_path / "work"
    place.mkdir()
    (place / "config.yaml").write_text(CONFIG)
    cluster, shared = str(network.folder / "cluster.yaml"), network.folder / "shared"

    def raygen(*words: str) -> tuple[int, str]:
        return network.run(*RAYGEN, *words, cwd=place)

    def submit(run: str, *words: str) -> tuple[int, str]:
        return raygen("submit", "config.yaml", "--cluster", cluster, "--run-dir", run, *words)

    # submitted: the cluster is started first
    code, told = submit("/mnt/runs/digits")
    assert code == 0, told
    assert "starting it by ray up" in told
    assert "submitted; type raygen status runs/digits" in told
    assert "all 2 nodes see /mnt/runs/digits" in raygen("logs", "runs/digits")[1]

    # a second one is refused, from here and from a laptop that knows of nothing
    assert "is at it" in submit("/mnt/runs/digits")[1]
    ticket = place / "runs/digits/launch/ticket.json"
    kept = ticket.read_text()
    ticket.unlink()
    code, told = submit("/mnt/runs/digits")
    assert (code, "is at it" in told) == (2, True), told
    ticket.write_text(kept)

    # the laptop's side dies, and with it its tunnel, but not the run
    said = tmp_path / "said.txt"
    attached = network.start(*RAYGEN, "attach", "runs/digits", cwd=place, said=said)
    wait_for(said, "begun")
    network.run("pkill", "-KILL", "-f", "raygen attach", cwd=place)  # in a space of its own
    attached.wait(timeout=20)
    assert "succeeded" not in raygen("status", "runs/digits")[1], "the run is too short to tell"
    deadline = time.monotonic() + 20
    own = f"^ssh .*{network.folder}.* cat$"
    while network.run("pgrep", "-fa", own, cwd=place)[1]:
        assert time.monotonic() < deadline, "the tunnel is left behind"
        time.sleep(0.5)
    code, told = raygen("attach", "runs/digits")
    assert code == 0, told
    assert "begun" in told
    assert "succeeded" in told
    assert "succeeded" in raygen("status", "runs/digits")[1]

    # what it came to is brought here
    code, told = raygen("fetch", "runs/digits")
    assert code == 0, told
    there = shared / "runs/digits"
    for name in ("leaderboard.json", "journal.jsonl", "report.png", "best/model.py"):
        assert (there / name).read_bytes() == (place / "runs/digits" / name).read_bytes()
    assert (place / "model.py").read_bytes() == (there / "best/model.py").read_bytes()
    assert "accuracy" in raygen("show", "runs/digits")[1]
    assert raygen("logs", "runs/digits", "00000")[0] == 0

    # a folder that is not one for all nodes
    code, told = submit("/root/runs/own", "--set", "name=own")
    assert code == 2, told
    assert f"node {WORKER} does not see it" in told

    code, told = submit("/mnt/runs/kept", "--set", "name=kept", "--set", "storage=/root/kept")
    assert code == 2, told
    assert f"storage: /root/kept: node {WORKER} does not see it" in told

    # data that is not there, and a trial that fits nowhere
    data = ("--set", "name=none", "--set", "task.dataset={path: /mnt/none.npz}")
    code, told = submit("/mnt/runs/none", *data)
    assert (code, "no such file: /mnt/none.npz" in told) == (2, True), told
    code, told = submit("/mnt/runs/big", "--set", "name=big", "--set", "resources.cpus_per_trial=9")
    assert (code, "a trial needs 9 CPUs" in told) == (2, True), told

    # a run that is stopped keeps what is done, and goes on when it is submitted again
    assert submit("/mnt/runs/long", "--set", "name=long", "--set", "search.trials=500")[0] == 0
    log = tmp_path / "long.txt"
    attached = network.start(*RAYGEN, "attach", "runs/long", cwd=place, said=log)
    wait_for(log, "search ")
    assert raygen("stop", "runs/long")[0] == 0
    assert attached.wait(120) == 0
    assert "stopped; all that was done is kept in /mnt/runs/long" in log.read_text()
    assert "job raygen-long-" in log.read_text()
    assert "stopped" in raygen("status", "runs/long")[1]
    journal = shared / "runs/long/journal.jsonl"
    over = len({event["trial_id"] for event in events(journal) if event["event"] == "end"})
    more = ("--set", "name=long", "--set", f"search.trials={over + 4}")
    assert submit("/mnt/runs/long", *more)[0] == 0
    code, told = raygen("attach", "runs/long")
    assert (code, "succeeded" in told) == (0, True), told
    begun = [event["trial_id"] for event in events(journal) if event["event"] == "trial"]
    assert len(begun) == len(set(begun)) == over + 4

    # the plain way of Ray's
    project = shared / "project"
    project.mkdir()
    (project / "config.yaml").write_text(CONFIG.replace("trials: 20", "trials: 2"))
    words = ["--config", "/mnt/project/config.yaml", "--run-dir", "/mnt/runs/plain"]
    words += ["--output", "/mnt/project/model.py"]
    script = str(ROOT / "scripts" / "search.py")
    code, told = network.run(
        *RAY, "submit", "--no-config-cache", cluster, script, "--", *words, cwd=place
    )
    assert code == 0, told
    assert json.loads((shared / "runs/plain/leaderboard.json").read_text())["entries"]
    assert (shared / "project/model.py").exists()

    # whoever has no token gets nothing
    for address, net in ((HEAD, "worker"), (WORKER, "head")):
        scan = str(Path(__file__).with_name("scan.py"))
        code, told = network.run(sys.executable, scan, address, cwd=place, net=net)
        assert code == 0, told
        found = json.loads(told.strip().splitlines()[-1])
        assert "8265" not in found, "the job server listens on loopback only"
        assert address != HEAD or "6379" in found
        assert not any(found.values()), found
    for mode in ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_MODE": "token"}):
        wrong = {**mode, "RAY_AUTH_TOKEN": "0" * 64}
        code, told = network.run(
            sys.executable, "-c", NO_TOKEN, f"{HEAD}:6379", cwd=place, net="worker", **wrong
        )
        assert (code, told.strip().splitlines()[-1]) == (1, "refused"), told

    # a machine that its cloud takes away: its trials save, and go on elsewhere
    assert submit("/mnt/runs/moved", "--set", "name=moved", "--set", "search.trials=500")[0] == 0
    log = tmp_path / "moved.txt"
    attached = network.start(*RAYGEN, "attach", "runs/moved", cwd=place, said=log)
    wait_for(log, "search ")
    (network.folder / "metadata.py").write_text(METADATA)
    notice = "raygen.launch.spot_notice gcp --metadata http://127.0.0.1:8169"
    told = network.on(WORKER, f"python {network.folder}/metadata.py & python -m {notice}")
    assert "gcp takes this machine away in 30 s; Ray is told" in told
    (network.folder / "alive.py").write_text(ALIVE)
    deadline = time.monotonic() + 20  # before the 30 s are over, when it would be killed
    while WORKER in network.on(HEAD, f"python {network.folder}/alive.py"):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(1)
    assert raygen("stop", "runs/moved")[0] == 0
    assert attached.wait(120) == 0
    moved = events(shared / "runs/moved/journal.jsonl")
    assert not any(event.get("error") for event in moved)

    # the token is in no log, no ticket and no list of processes
    everything = subprocess.run(
        ["grep", "-rlF", network.token, str(network.folder), str(place)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    assert {Path(each).name for each in everything} == {"auth_token"}
    assert network.token not in network.run("ps", "-eo", "args", cwd=place)[1]
    assert "raylet" in network.run("ps", "-eo", "args", cwd=place)[1]

    code, told = network.run(*RAY, "down", "-y", cluster, cwd=place)
    assert code == 0, told
    assert "gone: the cluster is down" in raygen("status", "runs/digits")[1]
