"""How are jobs put into Slurm's queue, asked for, and taken out?"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from raygen.errors import EnvironmentProblem
from raygen.launch.commands import run_command
from raygen.launch.job_state import JobState

REASONS: Mapping[str, str] = {
    "Resources": "it waits for nodes that are in use",
    "Priority": "jobs of a higher priority are before it",
    "Dependency": "it waits for another job",
    "BeginTime": "it was queued again a moment ago, and begins soon",
    "ReqNodeNotAvail": "nodes that it asks for are down or reserved; `sinfo` names them",
    "PartitionTimeLimit": "its time_limit is above that of the partition; lower it and resubmit",
    "PartitionNodeLimit": "it asks for more nodes than the partition has; lower nodes and resubmit",
    "QOSMaxJobsPerUserLimit": "you have as many jobs running as you may",
    "AssocGrpCpuLimit": "your account has as many CPUs as it may",
    "JobHeldUser": "it is held; type scontrol release JOB",
}
"""Slurm's words for why a job waits, in words that say what would change it."""


def submit(script: str) -> str:
    """Queue the text of a batch script; returns the number of its job, of an array's first task.

    The token of an array's Ray comes to its tasks with the environment.

    Raises:
        EnvironmentProblem: Slurm does not take it.
    """
    is_array = "\n#SBATCH --array=" in script
    token = {"RAY_AUTH_TOKEN": secrets.token_hex(32)} if is_array else {}
    job = run_command(["sbatch", "--parsable"], script, token).strip().partition(";")[0]
    return f"{job}_0" if is_array else job


def state_of(job: str) -> JobState:
    """What Slurm says of a job."""
    try:
        line = run_command(["squeue", "--noheader", "--format=%T|%r", f"--jobs={job}"]).strip()
    except EnvironmentProblem as error:
        if "Invalid job id" not in str(error):
            raise
        line = ""
    if line:
        state, _, reason = line.splitlines()[0].partition("|")
        word = reason.partition(",")[0]
        why = REASONS.get(word, word) if state == "PENDING" and word != "None" else ""
        return JobState(state.lower(), waits=state == "PENDING", why=why)
    return JobState("gone", is_over=True)


def stop(job: str) -> None:
    """Tell a job to keep what is done and end; one that has not begun is taken out."""
    array, _, task = job.partition("_")
    if state_of(job).waits:
        run_command(["scancel", array])
        return
    run_command(["scancel", "--batch", "--signal=TERM", job])
    if task:
        tasks = run_command(["squeue", "--noheader", "--format=%i", f"--jobs={array}"]).split()
        if others := [each for each in tasks if each != job]:
            run_command(["scancel", *others])
