"""A Slurm that keeps its jobs in a file, for tests that read as stories."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PROGRAM = """#!{python}
import json, sys
path, program = {jobs!r}, {program!r}
jobs = json.load(open(path))
words = sys.argv[1:]
if program == "sbatch":
    if not sys.stdin.readline().startswith("#!"):
        sys.exit("sbatch: error: This does not look like a batch script.")
    number = str(len(jobs) + 1)
    jobs[number] = {{"state": "PENDING", "reason": "Priority", "signals": []}}
    print(number + ";main")
elif program == "squeue":
    number = words[-1].partition("=")[2]
    job = jobs.get(number)
    if job is None or job["state"] in ("COMPLETED", "FAILED", "CANCELLED"):
        sys.exit("slurm_load_jobs error: Invalid job id specified")
    print(job["state"] + "|" + job["reason"])
else:
    job = jobs[words[-1]]
    job["signals"].append(words[:-1])
    job["state"] = job["state"] if words[:-1] else "CANCELLED"
json.dump(jobs, open(path, "w"))
"""


class FakeSlurm:
    """What its programs know; a test says how a job goes on."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "jobs.json"
        self._path.write_text("{}")
        for program in ("sbatch", "squeue", "scancel"):
            file = folder / program
            text = PROGRAM.format(python=sys.executable, jobs=str(self._path), program=program)
            file.write_text(text)
            file.chmod(0o755)

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        """By their number."""
        found: dict[str, dict[str, Any]] = json.loads(self._path.read_text())
        return found

    def set(self, job: str, state: str, reason: str = "None") -> None:
        """Let a job be in a state."""
        jobs = self.jobs
        jobs[job] |= {"state": state, "reason": reason}
        self._path.write_text(json.dumps(jobs))
