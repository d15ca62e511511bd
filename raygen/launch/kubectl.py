"""How are jobs given to Kubernetes, asked for, and taken out? A job is named NAMESPACE/NAME."""

from __future__ import annotations

import json
from collections.abc import Iterator

import yaml

from raygen.errors import EnvironmentProblem, RunError
from raygen.launch.commands import run_command
from raygen.launch.job_state import JobState
from raygen.launch.local_log import log_of
from raygen.launch.ticket import Ticket
from raygen.runs.paths import RunPaths

_OVER = ("Complete", "Failed")
_WAITS = ("", "New", "Initializing", "Waiting")


def submit(manifests: str) -> str:
    """Hand over a config and its job; returns the name of the job.

    Raises:
        EnvironmentProblem: Kubernetes does not take them, or has such a job.
    """
    config, job = manifests.split("\n---\n")
    run_command(["kubectl", "create", "-f", "-"], job)  # refuses one that is there already
    run_command(["kubectl", "apply", "-f", "-"], config)  # for which its pods wait
    about = yaml.safe_load(job)["metadata"]
    return f"{about['namespace']}/{about['name']}"


def state_of(job: str) -> JobState:
    """What Kubernetes says of a job, and of its pods that wait."""
    try:
        status = json.loads(_kubectl(job, "get", "rayjob", "{name}", "-o", "json")).get(
            "status", {}
        )
    except EnvironmentProblem as error:
        if "NotFound" not in str(error):
            raise
        return JobState("gone", is_over=True)
    word = status.get("jobDeploymentStatus", "")
    if word in _WAITS:
        return JobState("waiting", waits=True, why=_why(job))
    why = status.get("message", "") if word == "Failed" else ""
    return JobState(word.lower(), why=why, is_over=word in _OVER)


def stop(job: str) -> None:
    """Take a job and its pods away; what is done is in the claim."""
    _kubectl(job, "delete", "rayjob", "{name}")


def logs(ticket: Ticket, paths: RunPaths, trial: str | None, follow: bool) -> Iterator[str]:
    """Say what to type for what a job prints: its submitter is a job of the same name.

    Raises:
        RunError: Always; what it prints does not lie here.
    """
    log_of(paths, trial)
    namespace, _, name = ticket.job.partition("/")
    raise RunError(
        "its folder is on the cluster (kuberay)",
        where=str(paths.folder),
        must="what it prints must lie here to be shown",
        remedy=f"type kubectl --namespace={namespace} logs --follow --selector=job-name={name}",
    )


def _why(job: str) -> str:
    """The scheduler's words on the pods that have no node."""
    chosen = ["--field-selector=reason=FailedScheduling", "-o", "json"]
    events = json.loads(_kubectl(job, "get", "events", *chosen)).get("items", [])
    name = job.partition("/")[2]
    told = [
        e["message"] for e in events if e.get("involvedObject", {}).get("name", "").startswith(name)
    ]
    return told[-1] if told else "its pods are being made"


def _kubectl(job: str, *words: str) -> str:
    namespace, _, name = job.partition("/")
    filled = [word.replace("{name}", name) for word in words]
    return run_command(["kubectl", f"--namespace={namespace}", *filled])
