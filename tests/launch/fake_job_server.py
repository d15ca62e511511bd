"""A job server of Ray's that keeps its jobs, and an ssh that leads to it, for tests as stories."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SSH = """#!{python}
import os, select, socket, subprocess, sys, threading
words, place = sys.argv[1:], {place!r}
with open(place + "/ssh.txt", "a") as file:
    file.write(repr(words) + "\\n")
if os.path.exists(place + "/refusal"):
    print(open(place + "/refusal").read(), file=sys.stderr)
    sys.exit(255)
if words[-1] != "cat":
    sys.exit(subprocess.run(["sh", "-c", words[-1]]).returncode)
_, near, _, far = words[words.index("-L") + 1].split(":")
server = socket.create_server(("127.0.0.1", int(near)))
def copy(one, other):
    while data := one.recv(65536):
        other.sendall(data)
    other.shutdown(socket.SHUT_WR)
def serve():
    while True:
        one, _ = server.accept()
        try:
            other = socket.create_connection(("127.0.0.1", int(far)))
        except OSError:
            one.close()
            continue
        threading.Thread(target=copy, args=(one, other), daemon=True).start()
        threading.Thread(target=copy, args=(other, one), daemon=True).start()
threading.Thread(target=serve, daemon=True).start()
while sys.stdin.buffer.read(1):
    pass
os._exit(0)
"""


DROPPED = 0
"""Stands for the code of an answer that never comes."""


@dataclass
class FakeJob:
    """What the server knows of one."""

    asked: dict[str, Any]
    status: str = "PENDING"
    message: str = ""
    log: str = ""
    to_say: list[str] = field(default_factory=list)
    """What it says each time its log is asked for; nothing stands for a broken connection."""


@dataclass
class FakeJobServer:
    """Its state; a test says how a job goes on."""

    token: str = "t" * 64
    ray: str = "2.60.0"
    jobs: dict[str, FakeJob] = field(default_factory=dict)
    packages: dict[str, bytes] = field(default_factory=dict)
    is_up: bool = True
    begins: str = "begun: all 2 nodes see /shared/runs/digits\n"
    """What a job says first; it fails at once if that is an error."""
    seen: list[str] = field(default_factory=list)
    """Bearer tokens of all requests."""

    def __enter__(self) -> FakeJobServer:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        """As Ray's own answers."""
        parts = path.strip("/").split("/")
        if parts == ["api", "version"]:
            return 200, {"version": "4", "ray_version": self.ray, "ray_commit": "c"}
        if parts[1] == "packages":
            name = parts[-1]
            if method == "PUT":
                self.packages[name] = body
            return (200 if name in self.packages else 404), {}
        if parts == ["api", "jobs"] and method == "POST":
            return self._submitted(json.loads(body))
        if parts == ["api", "jobs"]:
            return 200, [self._details(name) for name in self.jobs]
        if parts[2] not in self.jobs:
            return 404, f"Job {parts[2]} does not exist"
        if method == "DELETE":
            del self.jobs[parts[2]]
            return 200, {"deleted": True}
        job = self.jobs[parts[2]]
        if parts[-1] == "logs":
            if not job.to_say:
                return 200, {"logs": job.log}
            said = job.to_say.pop(0)
            job.log += said
            job.status = job.status if job.to_say else "SUCCEEDED"
            return (200 if said else DROPPED), {"logs": job.log}
        if parts[-1] == "stop":
            job.status = "STOPPED"
            return 200, {"stopped": True}
        return 200, self._details(parts[2])

    def _submitted(self, asked: dict[str, Any]) -> tuple[int, object]:
        name = asked["submission_id"]
        if name in self.jobs:
            return 500, f"Job with submission_id {name} already exists"
        if "hand_over" in asked["entrypoint"]:
            self.jobs[name] = _done(asked)
        else:
            failed = "Error" in self.begins
            self.jobs[name] = FakeJob(asked, "FAILED" if failed else "RUNNING", log=self.begins)
        return 200, {"submission_id": name, "job_id": name}

    def _details(self, name: str) -> dict[str, Any]:
        job = self.jobs[name]
        return {
            "type": "SUBMISSION",
            "submission_id": name,
            "status": job.status,
            "entrypoint": job.asked["entrypoint"],
            "message": job.message,
        }


def _done(asked: dict[str, Any]) -> FakeJob:
    """A job that has really been run."""
    words = [sys.executable, *shlex.split(asked["entrypoint"])[1:]]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    status = "FAILED" if done.returncode else "SUCCEEDED"
    return FakeJob(asked, status, log=done.stdout + done.stderr)


def _handler(fake: FakeJobServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if not fake.is_up:
                self.close_connection = True
                return
            given = self.headers.get("Authorization", "")
            fake.seen.append(given.removeprefix("Bearer "))
            if not given:
                code, told = 401, "Unauthorized: Missing authentication token"
            elif given != f"Bearer {fake.token}":
                code, told = 403, "Forbidden: Invalid authentication token"
            else:
                code, found = fake.answer(self.command, self.path, body)
                told = found if isinstance(found, str) else json.dumps(found)
            if code == DROPPED:
                self.close_connection = True
                return
            self.send_response(code)
            self.send_header("Content-Length", str(len(told.encode())))
            self.end_headers()
            self.wfile.write(told.encode())

        do_GET = do_POST = do_PUT = do_DELETE = _do

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return Handler


def write_ssh(folder: Path, python: str) -> None:
    """Put the program where a test's path begins; it notes how it was called in ssh.txt."""
    program = folder / "ssh"
    program.write_text(SSH.format(python=python, place=str(folder)))
    program.chmod(0o755)
