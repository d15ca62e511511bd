"""How are jobs given to Kubernetes, asked for, and taken out? A job is named NAMESPACE/NAME."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import yaml

from raygen.errors import EnvironmentProblem, RunError
from raygen.launch.brought import bring_run, trial_log
from raygen.launch.commands import run_command
from raygen.launch.job_state import JobState
from raygen.launch.kube_files import files_of
from raygen.launch.ticket import Ticket
from raygen.runs.paths import RunPaths

_OVER = ("Complete", "Failed", "ValidationFailed")
_WAITS = ("", "New", "Initializing", "Waiting", "Retrying", "Suspending", "Suspended")
_PAUSE_S = 2.0
_AGAIN_S = 5.0
_MOST_FAILURES = 12
"""Times that Kubernetes may not answer, one after the other, before nobody waits any longer."""


def submit(manifests: str) -> str:
    """Hand over a config and its job; returns the name of the job.

    Raises:
        EnvironmentProblem: Kubernetes does not take them, or has such a job.
    """
    config, job = manifests.split("\n---\n")
    run_command(["kubectl", "create", "-f", "-"], job)  # refuses one that is there already
    about = yaml.safe_load(job)["metadata"]
    name = f"{about['namespace']}/{about['name']}"
    try:
        run_command(["kubectl", "apply", "-f", "-"], config)  # for which its pods wait
    except EnvironmentProblem:
        stop(name)
        raise
    return name


def state_of(job: str) -> JobState:
    """What Kubernetes says of a job, of its pods that wait, and the last that it has printed."""
    state = _state(job)
    if state.waits or state.word == "gone":
        return state
    with suppress(EnvironmentProblem):
        printed = _kubectl(job, "logs", "job/{name}", "--tail=1")
        return replace(state, said=printed.strip())
    return state


def _state(job: str) -> JobState:
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
    why = status.get("message", "") if word in ("Failed", "ValidationFailed") else ""
    return JobState(word.lower(), why=why, is_over=word in _OVER)


def stop(job: str) -> None:
    """Take a job and its pods away; what is done is in the claim."""
    _kubectl(job, "delete", "rayjob", "{name}")


def fetch(ticket: Ticket, paths: RunPaths) -> list[Path]:
    """Bring what a run has come to; gives what was written."""
    with files_of(ticket, paths) as pack:
        return bring_run(pack, ticket, paths)


def logs(ticket: Ticket, paths: RunPaths, trial: str | None, follow: bool) -> Iterator[str]:
    """What a job, or a trial, has said, and what it goes on to say.

    Raises:
        RunError: There is no such trial, or what the job has said is gone with its pods.
    """
    if trial is None:
        yield from _grown(ticket.job, follow, lambda state: _said(ticket.job, state))
        return
    with files_of(ticket, paths) as pack:
        yield from _grown(ticket.job, follow, lambda state: trial_log(pack, trial))


def _grown(job: str, follow: bool, read: Callable[[JobState], str]) -> Iterator[str]:
    """What a text has and what it gets; one that begins anew, as of a job's second try, is new."""
    known, failures, begun = "", 0, False
    while True:
        try:
            state = _state(job)
            text = read(state)
        except EnvironmentProblem as error:
            failures += 1
            if not begun or not follow or failures > _MOST_FAILURES:
                raise
            if failures == 1:
                print(f"{error.problem}; trying again until it is back", file=sys.stderr)
            time.sleep(_AGAIN_S)
            continue
        yield text.removeprefix(known)
        known, failures, begun = text, 0, True
        if state.is_over or not follow:
            return
        time.sleep(_PAUSE_S)


def _said(job: str, state: JobState) -> str:
    """What a job has printed: its submitter is a job of the same name."""
    try:
        return _kubectl(job, "logs", "job/{name}")
    except EnvironmentProblem as error:
        if state.waits or "waiting to start" in str(error):
            return ""
        if "NotFound" not in str(error) and "not found" not in str(error):
            raise
    raise RunError(
        "its pods are gone, and what they have printed",
        where=f"job {job}",
        must="they stay for `keep` after its end",
        remedy="type raygen fetch RUN for what is in the claim",
    )


def _why(job: str) -> str:
    """The scheduler's words on the pods that have no node."""
    chosen = ["--field-selector=reason=FailedScheduling", "-o", "json"]
    events = json.loads(_kubectl(job, "get", "events", *chosen)).get("items", [])
    name = job.partition("/")[2]
    told = [
        event["message"]
        for event in events
        if f"{event.get('involvedObject', {}).get('name', '')}-".startswith(f"{name}-")
    ]
    return told[-1] if told else "its pods are being made"


def _kubectl(job: str, *words: str) -> str:
    namespace, _, name = job.partition("/")
    filled = [word.replace("{name}", name) for word in words]
    return run_command(["kubectl", f"--namespace={namespace}", *filled])
