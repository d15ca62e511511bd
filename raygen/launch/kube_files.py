"""How do the files of a run on Kubernetes come here? Out of a pod that mounts its claim."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from raygen.errors import EnvironmentProblem, RunError
from raygen.launch.brought import Pack, tar_words
from raygen.launch.commands import run_command
from raygen.launch.kuberay import reader
from raygen.launch.ticket import Ticket
from raygen.runs.paths import RunPaths

_READY_S = 300
_GREW = re.compile(r"exit code 1$", re.MULTILINE)
"""In kubectl's words of a tar whose files grew meanwhile."""
_ABSENT = "No such file"
"""In tar's own words."""


@contextmanager
def files_of(ticket: Ticket, paths: RunPaths) -> Iterator[Pack]:
    """What packs the files of a run, as long as it is open.

    The head's pod is asked. If it is gone, a small pod is made that mounts the same claim, and is
    taken away again.

    Raises:
        EnvironmentProblem: Kubernetes is not reached, or makes no such pod.
        RunError: What was submitted is not known here any more.
    """
    namespace, _, name = ticket.job.partition("/")
    kubectl = ["kubectl", f"--namespace={namespace}"]
    pod, container, own = _head(kubectl, name), "ray-head", False
    if not pod:
        pod, container, own = _reader(kubectl, paths), "files", True

    def pack(below: str, into: IO[bytes]) -> None:
        command = [*kubectl, "exec", pod, f"--container={container}", "--"]
        command += tar_words(ticket.run, below)
        with tempfile.TemporaryFile() as told:
            done = subprocess.run(command, stdout=into, stderr=told, check=False)
            told.seek(0)
            said = told.read().decode(errors="replace").strip()
        if _ABSENT in said:
            raise RunError("there is no such file on the cluster", where=f"{ticket.run}/{below}")
        if done.returncode and not _GREW.search(said):
            reason = (said.splitlines() or ["no reason given"])[0][:300]
            raise EnvironmentProblem(f"tar fails there: {reason}", where=f"pod {pod}")

    try:
        yield pack
    finally:
        if own:
            _remove(kubectl, pod)


def _head(kubectl: list[str], name: str) -> str:
    """The pod of the head of a job's cluster, while it is there."""
    try:
        job = json.loads(run_command([*kubectl, "get", "rayjob", name, "-o", "json"]))
    except EnvironmentProblem as error:
        if "NotFound" not in str(error):
            raise
        return ""
    if not (cluster := job.get("status", {}).get("rayClusterName")):
        return ""
    chosen = f"--selector=ray.io/node-type=head,ray.io/cluster={cluster}"
    pods = json.loads(run_command([*kubectl, "get", "pods", chosen, "-o", "json"]))["items"]
    there = [each["metadata"]["name"] for each in pods if each["status"]["phase"] == "Running"]
    return "".join(there[:1])


def _reader(kubectl: list[str], paths: RunPaths) -> str:
    """A pod of our own, when it is up."""
    name = f"raygen-files-{uuid.uuid4().hex[:8]}"
    try:
        text = reader(paths.job_text.read_text(encoding="utf-8"), name)
    except OSError:
        raise RunError(
            "what was submitted is not known any more",
            where=str(paths.job_text),
            must="it says which claim holds the files",
            remedy="copy them from the claim",
        ) from None
    run_command([*kubectl, "create", "-f", "-"], text)
    ready = ["wait", "--for=condition=Ready", f"pod/{name}", f"--timeout={_READY_S}s"]
    try:
        run_command([*kubectl, *ready], patience_s=_READY_S + 30)
    except BaseException:  # a signal too: it would wait there for ever
        _remove(kubectl, name)
        raise
    return name


def _remove(kubectl: list[str], pod: str) -> None:
    run_command([*kubectl, "delete", "pod", pod, "--ignore-not-found", "--wait=false"])
