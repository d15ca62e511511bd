"""Does a run become a job of a Ray cluster, and is what is wrong there told in one line?"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_job_server import FakeJob, FakeJobServer, write_ssh

from raygen.launch import ray_job

Raygen = Callable[..., tuple[int, str]]
SUBMIT = ("submit", "config.yaml", "--cluster", "ray.yaml")
FILE = """\
cluster_name: small
provider: {{type: local, head_ip: 192.0.2.1, worker_ips: [192.0.2.2]}}
auth: {{ssh_user: ann, ssh_private_key: key, ssh_proxy_command: "nc %h 2222"}}
file_mounts: {{"~/.ray/auth_token": "token"}}
head_start_ray_commands: [ray start --head --dashboard-port={port}]
"""


@pytest.fixture
def server() -> Iterator[FakeJobServer]:
    """One that is up."""
    pytest.importorskip("aiohttp", reason="the client needs ray[default]")
    with FakeJobServer() as made:
        yield made


@pytest.fixture
def cluster(
    server: FakeJobServer, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FakeJobServer:
    """One that is reached by an ssh of ours, as ray.yaml says."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    write_ssh(folder, sys.executable)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.9:1")  # of something else; must not matter
    (place / "ray.yaml").write_text(FILE.format(port=server.port))
    (place / "key").write_text("")
    (place / "token").write_text(server.token + "\n")
    return server


def job_of(server: FakeJobServer, number: int = -1) -> tuple[str, FakeJob]:
    """The last that was submitted."""
    return list(server.jobs.items())[number]


def test_a_run_is_submitted_asked_for_and_stopped(
    cluster: FakeJobServer, place: Path, raygen: Raygen
) -> None:
    """Its folder goes along, a second submission is refused, a later one has a new number."""
    (place / "notes.txt").write_text("about it")
    (place / ".gitignore").write_text("*.csv\n")
    (place / "huge.csv").write_text("1,2")

    code, told = raygen(*SUBMIT, "--set", "search.trials=3")
    assert code == 0, told
    name, job = job_of(cluster)
    assert name.startswith("raygen-digits-")
    assert name.endswith("-1")
    assert job.asked["entrypoint"].endswith(
        " 2 2 /shared/runs/digits config.yaml generate --config config.yaml "
        "--run-dir /shared/runs/digits --output /shared/runs/digits/model.py --set search.trials=3"
    )
    (pack,) = cluster.packages.values()
    shipped = set(zipfile.ZipFile(io.BytesIO(pack)).namelist())
    assert {"config.yaml", "notes.txt", "job_start.py"} < shipped
    assert "huge.csv" not in shipped

    assert "is at it" in raygen(*SUBMIT)[1]
    (place / "runs/digits/launch/ticket.json").rename(place / "kept.json")
    assert f"job {name} is at it" in raygen(*SUBMIT)[1]  # from another laptop
    (place / "kept.json").rename(place / "runs/digits/launch/ticket.json")

    job.log += "search 1/3 trials\n"
    assert raygen("status", "runs/digits")[1] == f"job {name}: running\nsearch 1/3 trials\n"
    assert "begun: all 2 nodes" in raygen("logs", "runs/digits")[1]
    assert "told to stop" in raygen("stop", "runs/digits")[1]
    assert "stopped" in raygen("attach", "runs/digits")[1]
    assert "is over already" in raygen("stop", "runs/digits")[1]

    assert raygen(*SUBMIT)[0] == 0
    assert job_of(cluster)[0].endswith("-2")
    cluster.jobs.clear()
    assert "gone: the cluster was started anew" in raygen("status", "runs/digits")[1]


def test_attach_goes_on_when_the_connection_was_lost(
    cluster: FakeJobServer, raygen: Raygen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a night in a bag: said once, each line is printed once, up to the end."""
    monkeypatch.setattr(ray_job, "_AGAIN_S", 0.0)
    monkeypatch.setattr(ray_job, "_PAUSE_S", 0.0)
    raygen(*SUBMIT)
    job_of(cluster)[1].to_say = ["one\n", "", "", "two\n", "", "three\n"]

    code, told = raygen("attach", "runs/digits")

    assert code == 0, told
    for line in ("begun: all", "one\n", "two\n", "three\n"):
        assert told.count(line) == 1 + (line == "three\n"), told  # it is the last, told again
    assert told.count("trying again") == 2


def test_a_run_is_gone_with_its_cluster(cluster: FakeJobServer, raygen: Raygen) -> None:
    """Its head is reached and runs no Ray: so it can be submitted anew, and is not at it."""
    raygen(*SUBMIT)
    cluster.is_up = False

    assert "gone: the cluster is down" in raygen("status", "runs/digits")[1]
    assert "is over already" in raygen("stop", "runs/digits")[1]


def test_the_head_is_reached_as_the_file_says(
    cluster: FakeJobServer, place: Path, tmp_path: Path, raygen: Raygen
) -> None:
    """User, key and proxy are its own; the token is on no command line and in no ticket."""
    raygen(*SUBMIT)

    words = (tmp_path / "bin" / "ssh.txt").read_text()
    for word in ("'ann@192.0.2.1'", "'key'", "'ProxyCommand=nc %h 2222'", "'BatchMode=yes'"):
        assert word in words
    assert set(cluster.seen) == {cluster.token}
    kept = "".join(path.read_text() for path in (place / "runs/digits/launch").iterdir())
    assert cluster.token not in words + kept
    assert cluster.token not in json.dumps(job_of(cluster)[1].asked)


def test_a_dry_run_starts_nothing(cluster: FakeJobServer, place: Path, raygen: Raygen) -> None:
    """Commands, what is shipped and what a trial wants are printed; nobody hears of anything."""
    code, told = raygen(*SUBMIT, "--dry-run")

    assert code == 0
    assert "RAY_UP_enable_autoscaler_v2=0" in told
    assert "ray up --yes --no-config-cache" in told
    assert "# shipped from" in told
    assert "room: a trial wants 1 CPUs and 0 GPUs; of the 2 nodes at first the job says" in told
    assert "/shared/runs/digits" in told
    assert (cluster.seen, cluster.jobs) == ([], {})
    assert not (place / "runs").exists()


def test_data_may_be_on_the_cluster_only(
    cluster: FakeJobServer, place: Path, raygen: Raygen
) -> None:
    """A full path that is not here is left to the cluster; a relative one must be here."""
    data = ("--set", "task.dataset={path: /shared/rows.npz}")

    code, told = raygen(*SUBMIT, *data)

    assert code == 0, told
    assert "/shared/rows.npz is not here; it is looked at on the cluster" in told
    assert "rows.npz" in job_of(cluster)[1].asked["entrypoint"]
    code, told = raygen(*SUBMIT, "--set", "name=b", "--set", "task.dataset={path: rows.npz}")
    assert (code, "no such file: rows.npz" in told) == (2, True), told


def test_data_at_a_uri_is_left_to_the_cluster(
    cluster: FakeJobServer, place: Path, raygen: Raygen
) -> None:
    """It is neither looked at here nor shipped, and arrives as it was written."""
    uri = "s3://bucket/rows.npz"

    code, told = raygen(*SUBMIT, "--set", f"task.dataset={{path: '{uri}'}}")

    assert code == 0, told
    assert f"{uri} is not here; it is looked at on the cluster" in told
    assert uri in job_of(cluster)[1].asked["entrypoint"]


def test_data_that_is_left_out_is_told(cluster: FakeJobServer, place: Path, raygen: Raygen) -> None:
    """A relative path must lie in the folder, and not among what is ignored."""
    (place / "rows.csv").write_text("a,b\n" + "1,2\n3,4\n" * 20)
    (place / ".gitignore").write_text("*.csv\n")
    task = "task={name: TabularRegression, dataset: {path: rows.csv, target: b}}"

    code, told = raygen(*SUBMIT, "--set", task)

    assert (code, "rows.csv (task.dataset.path) does not go along" in told) == (2, True), told
    (place / ".gitignore").unlink()
    assert raygen(*SUBMIT, "--set", task)[0] == 0


def test_an_address_needs_no_ssh(
    cluster: FakeJobServer,
    place: Path,
    tmp_path: Path,
    raygen: Raygen,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The token is where Ray keeps it; a job prints the files."""
    address = f"http://127.0.0.1:{cluster.port}"
    monkeypatch.setenv("RAY_AUTH_TOKEN", cluster.token)

    assert raygen("submit", "config.yaml", "--cluster", address)[0] == 0
    assert "running" in raygen("status", "runs/digits")[1]
    there = tmp_path / "there"
    (there / "trials/00000/checkpoint-0").mkdir(parents=True)
    (there / "trials/00000/checkpoint-0/weights").write_text("w")
    (there / "trials/00000/log.txt").write_text("epoch 1\n")
    (there / "leaderboard.json").write_text("{}")
    ticket = place / "runs/digits/launch/ticket.json"
    ticket.write_text(ticket.read_text().replace("/shared/runs/digits", str(there)))

    assert raygen("fetch", "runs/digits")[1].startswith("fetched: 2 files")
    assert (place / "runs/digits/leaderboard.json").read_text() == "{}"
    assert raygen("logs", "runs/digits", "00000")[1] == "epoch 1\n"
    code, told = raygen("logs", "runs/digits", "00001")
    assert (code, "there is no trial 00001, or it has not begun" in told) == (2, True)
    assert len(cluster.jobs) == 1, "those that print are forgotten"


def test_what_a_run_came_to_is_fetched(
    cluster: FakeJobServer, place: Path, tmp_path: Path, raygen: Raygen
) -> None:
    """All but checkpoints comes here, the winner to where the config wants it, and trials' logs."""
    there = tmp_path / "there"
    (there / "trials" / "00000" / "checkpoint-0").mkdir(parents=True)
    for name in ("leaderboard.json", "model.py", "trials/00000/checkpoint-0/w", ".lock"):
        (there / name).write_text(name)
    (there / "trials/00000/log.txt").write_text("epoch 1\n")
    winner = '"""Digits: a PyTorch network found by RayGen."""\n'
    (there / "model.py").write_text(winner)
    raygen(*SUBMIT, "--run-dir", str(there), "--output", "winner.py")

    code, told = raygen("fetch", "runs/digits")

    assert code == 0, told
    assert (place / "winner.py").read_text() == winner
    assert (place / "runs/digits/leaderboard.json").exists()
    assert not list((place / "runs/digits").rglob("checkpoint-*"))
    assert raygen("logs", "runs/digits", "00000")[1] == "epoch 1\n"
    assert "there is no trial 00009" in raygen("logs", "runs/digits", "00009")[1]

    # what is here is a copy, and what lies where the winner goes may be somebody else's
    shutil.copy(place / "config.yaml", place / "runs/digits/config.yaml")
    code, told = raygen("rank", "runs/digits")
    assert (code, "it is a copy of a run on a cluster, job raygen-digits-" in told) == (2, True), (
        told
    )
    (place / "winner.py").write_text("print('mine')\n")
    code, told = raygen("fetch", "runs/digits")
    assert (code, "winner.py: it was not written by RayGen" in told) == (2, True), told
    assert (place / "winner.py").read_text() == "print('mine')\n"
    assert "named by its number" in raygen("logs", "runs/digits", "../x")[1]


@pytest.mark.parametrize(
    ("begins", "told"),
    [
        ("Error: /shared/runs/digits: node 192.0.2.2 does not see it\n", "192.0.2.2 does not see"),
        ("a traceback\nRayError: it broke\n", "RayError: it broke"),
    ],
)
def test_a_job_that_cannot_begin_says_why(
    cluster: FakeJobServer, place: Path, raygen: Raygen, begins: str, told: str
) -> None:
    """Its own line, or else the last, at once; then it may be submitted again."""
    cluster.begins = begins

    code, line = raygen(*SUBMIT)

    assert code == 2
    assert told in line
    assert len(line.strip().splitlines()) == 1
    assert "failed" in raygen("status", "runs/digits")[1]
    cluster.begins = "begun: "
    assert raygen(*SUBMIT)[0] == 0


def test_a_job_that_waits_is_left_waiting(
    cluster: FakeJobServer, raygen: Raygen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Submit does not wait for ever, and says for what the job does."""
    cluster.begins = "waiting for nodes: 1 of 2 are there\n"
    monkeypatch.setattr(ray_job, "_BEGINS_S", 0.0)

    code, told = raygen(*SUBMIT)

    assert code == 0, told
    assert "it has not begun yet: waiting for nodes: 1 of 2 are there" in told


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        ("ann@192.0.2.1: Permission denied (publickey).", "does not let ann in"),
        ("ssh: connect to host 192.0.2.1 port 22: No route to host", "is not reached"),
        ("Host key verification failed.", "shows another key than before"),
    ],
)
def test_a_head_that_is_not_reached_is_told(
    cluster: FakeJobServer, place: Path, tmp_path: Path, raygen: Raygen, refusal: str, told: str
) -> None:
    """One line with ssh's own words; nothing is written, and ray up is not tried."""
    (tmp_path / "bin" / "refusal").write_text(refusal)

    code, line = raygen(*SUBMIT)

    assert code == 2
    assert told in line
    assert refusal in line
    assert len(line.strip().splitlines()) == 1
    assert not (place / "runs").exists()


def test_what_does_not_fit_is_told(cluster: FakeJobServer, place: Path, raygen: Raygen) -> None:
    """Another token, none, another Ray, a folder that is no path of the cluster."""
    (place / "token").write_text("other")
    assert "it asks for another token" in raygen(*SUBMIT)[1]
    (place / "token").write_text("")
    told = raygen(*SUBMIT)[1]  # after a test with a Ray of its own, Ray's client sends that token
    assert re.search("it asks for (a token, and none is known here|another token)", told), told
    (place / "token").unlink()
    assert "token: No such file or directory; it must hold the token" in raygen(*SUBMIT)[1]
    (place / "token").write_text(cluster.token)
    cluster.ray = "2.9.3"
    assert "Ray 2.9.3 runs there; it must be 2.50 or newer" in raygen(*SUBMIT)[1]
    cluster.ray = "2.60.0"
    code, told = raygen(*SUBMIT, "--run-dir", "runs/x")
    assert (code, "it must be a full path on the cluster" in told) == (2, True)
    assert cluster.jobs == {}


def test_a_cluster_that_is_not_up_is_started(
    cluster: FakeJobServer, place: Path, raygen: Raygen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By ray up, once; when that fails, its last words are told."""
    from raygen.launch import job_server

    cluster.is_up, asked = False, []
    text = ["print('it says much'); raise SystemExit('No machine answers')"]

    def ray(*words: str) -> list[str]:
        asked.append(words)
        cluster.is_up = "SystemExit" not in text[0]
        return [sys.executable, "-c", text[0]]

    monkeypatch.setattr(job_server, "_ray", ray)
    code, told = raygen(*SUBMIT)
    assert code == 2
    assert "starting it by ray up" in told
    assert "ray up fails: No machine answers" in told.splitlines()[-1]
    assert "it says much" in (place / "runs/digits/launch/up.txt").read_text()

    text[0] = "import os; assert os.environ['RAY_UP_enable_autoscaler_v2'] == '0'"
    code, told = raygen(*SUBMIT)
    assert code == 0, told
    file = str((place / "ray.yaml").resolve())
    assert asked == [("up", "--yes", "--no-config-cache", file)] * 2
    assert len(cluster.jobs) == 1


def test_files_that_the_config_names_go_along(
    cluster: FakeJobServer, place: Path, raygen: Raygen
) -> None:
    """Whatever key names them, and the config itself; a dry run says so too."""
    (place / "train.py").write_text("def train(lr): return {'loss': lr}\n")
    custom = "{name: Custom, objective: train.py:train, metric: loss}"
    parameters = "model={parameters: {lr: {float: [0.1, 1.0]}}}"
    words = (*SUBMIT, "--set", f"task={custom}", "--set", parameters)
    for ignored, told in (("train.py", "train.py (task.objective)"), ("*", "config.yaml (the")):
        (place / ".gitignore").write_text(f"{ignored}\n")
        for more in ((), ("--dry-run",)):
            code, said = raygen(*words, *more)
            assert (code, f"{told}" in said, len(said.splitlines())) == (2, True, 1), said

    (place / ".gitignore").write_text("")
    assert raygen(*words, "--dry-run")[0] == 0
    command = "{name: Custom, command: 'python train.py --lr {lr}', metric: loss}"
    by_command = (*SUBMIT, "--dry-run", "--set", f"task={command}", "--set", parameters)
    assert raygen(*by_command)[0] == 0
    (place / ".rayignore").write_text("train.py\n")
    assert "train.py (task.command) does not go along" in raygen(*by_command)[1]
    assert not cluster.jobs


def test_a_server_that_says_nothing_is_given_up(
    cluster: FakeJobServer, raygen: Raygen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It listens, and is stuck."""
    monkeypatch.setattr("raygen.launch.job_server._ANSWER_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as stuck:
        address = f"http://127.0.0.1:{stuck.getsockname()[1]}"
        code, told = raygen("submit", "config.yaml", "--cluster", address)

    assert (code, len(told.splitlines())) == (2, 1), told
    assert "it has not answered for 0.3 s; Ray's job server must be there" in told


@pytest.mark.parametrize("token", ["two\nlines", "with blank", "\u00fc"])
def test_what_is_no_token_is_not_shown(
    cluster: FakeJobServer, place: Path, raygen: Raygen, token: str
) -> None:
    """It may be another secret."""
    (place / "token").write_text(token)

    code, told = raygen(*SUBMIT)

    assert (code, "what it holds is no token" in told) == (2, True), told
    assert not any(part in told for part in token.split())
