"""Runs a command of the user's own that prints its metrics as lines of JSON."""

from __future__ import annotations

import ctypes
import json
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

COMMAND = ("python", "train.py", "--lr", "{lr}")
METRICS = ("loss",)


def run(folder: Path, parameters: dict[str, Any], report: Any, resume: str | None) -> Any:
    """Run the command in the user's folder, without a shell; a line with a metric is a report.

    While a report is taken the command stands still: it gets no further ahead of its scheduler
    than any other program.
    """
    # RayGen clears away what is left here by a command that was killed
    work = Path(__file__).resolve().with_name(f"checkpoint-0.work-{os.getpid()}")
    values = parameters | {"checkpoint": str(work)}
    arguments = [filled(token, values) for token in COMMAND]
    if arguments[0] in ("python", "python3"):
        arguments[0] = sys.executable
    telling = Telling(report)
    if any("{checkpoint}" in token for token in COMMAND):
        telling.begin_in(work, resume)
    try:
        telling.tell()
        failed = telling.follow(arguments, folder)
    finally:
        telling.end()
        shutil.rmtree(work, ignore_errors=True)
    if failed:
        sys.exit(f"`{shlex.join(arguments)}` {failed}")


class Telling:
    """What a command prints, line by line, and what it has saved by then."""

    def __init__(self, report: Any) -> None:
        self.report, self.done = report, report.epoch
        self.process: subprocess.Popen[bytes] | None = None
        self.work: Path | None = None
        self.lines: list[str] = []
        self.rest, self.other, self.words = b"", "", ""

    def begin_in(self, work: Path, resume: str | None) -> None:
        """Put in place what the command had saved, and the lines it had printed but none read."""
        self.work = work
        shutil.rmtree(work, ignore_errors=True)
        if resume is None:
            work.mkdir()
            return
        shutil.copytree(Path(resume) / "files", work)
        self.lines = json.loads((Path(resume) / "lines.json").read_text(encoding="utf-8"))

    def save(self, folder: str) -> None:
        """Copy what the command has saved; it may be a line ahead of what was reported."""
        assert self.work is not None, "there is a folder to save"
        shutil.copytree(self.work, Path(folder) / "files", dirs_exist_ok=True)
        (Path(folder) / "lines.json").write_text(json.dumps(self.lines), encoding="utf-8")

    def follow(self, arguments: list[str], folder: Path) -> str:
        """Run the command to its end; gives what went wrong, if anything did."""
        self.process = process = started(arguments, folder)
        listener = threading.Thread(target=self.listen, args=(process.stderr,), daemon=True)
        listener.start()
        while self.read():
            self.tell()
        code = process.wait()
        listener.join()
        if code:
            return f"ended with exit code {code}: {self.words or 'it said nothing'}"
        if self.report.epoch == 0:
            return f"printed no line of JSON with {METRICS[0]!r}{self.other}"
        return ""

    def read(self, *, wait: bool = True) -> bool:
        """Take in what has been printed; false at its end, or if there is nothing yet."""
        assert self.process is not None, "the command is started"
        assert self.process.stdout is not None, "its output is a pipe"
        pipe = self.process.stdout.fileno()
        if not wait and not select.select([pipe], [], [], 0)[0]:
            return False
        chunk = os.read(pipe, 65536)
        *lines, self.rest = (self.rest + (chunk or b"\n" * bool(self.rest))).split(b"\n")
        self.lines += [line.decode(errors="replace") for line in lines]
        return bool(chunk or lines)

    def tell(self) -> None:
        """Report the lines with a metric, and pass on the others."""
        while self.lines:
            line = self.lines.pop(0)
            metrics = metrics_in(line)
            if not any(name in metrics for name in METRICS):
                print(line, flush=True)
                self.other = f"; its last had {', '.join(metrics)}" if metrics else self.other
            elif not is_repeated(metrics, self.done):
                self.pause()
                self.report(metrics, None if self.work is None else self.save)
                if self.process is not None:
                    self.process.send_signal(signal.SIGCONT)

    def pause(self) -> None:
        """Let the command stand still, and take in what it has printed until then."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGSTOP)
        if self.process.poll() is None and sys.platform == "linux":
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        while self.read(wait=False):
            pass

    def listen(self, stream: IO[bytes]) -> None:
        """Pass on what the command says on standard error, and remember the last line of it."""
        for line in stream:
            told = line.decode(errors="replace").rstrip()
            print(told, file=sys.stderr, flush=True)
            self.words = told.strip() or self.words

    def end(self) -> None:
        """Leave nothing running."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def is_repeated(metrics: dict[str, Any], done: int) -> bool:
    """Whether a command that goes on tells again of an epoch that was reported before."""
    epoch = metrics.get("epoch")
    return isinstance(epoch, int) and 0 < epoch <= done


def filled(token: str, values: dict[str, Any]) -> str:
    """One argument, with ``{name}`` replaced by a value, and ``{{`` by a brace."""

    def value(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0][0]
        told = values.get(found[1], "")
        return str(told).lower() if isinstance(told, bool) else str(told)

    return re.sub(r"\{\{|\}\}|\{(\w+)\}", value, token)


def started(arguments: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """The command as a process of its own that ends with this one."""
    try:
        return subprocess.Popen(
            arguments,
            cwd=folder,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},  # or its reports would come late
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            preexec_fn=end_with_parent,
        )
    except OSError as error:
        sys.exit(f"`{shlex.join(arguments)}` cannot be started: {error.strerror}")


def end_with_parent() -> None:
    """Ask Linux to end this process when the one that started it is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG


def metrics_in(line: str) -> dict[str, Any]:
    """The metrics that a line tells; none if it is no mapping in JSON."""
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
