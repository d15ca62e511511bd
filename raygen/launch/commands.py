"""Runs the programs of a cluster: lists of words, never through a shell."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from raygen.errors import EnvironmentProblem

_PATIENCE_S = 60.0


def run_command(
    words: Sequence[str],
    text: str | None = None,
    secrets: Mapping[str, str] | None = None,
    *,
    patience_s: float = _PATIENCE_S,
) -> str:
    """What a program prints that is given a text to read.

    Args:
        words: The program and its arguments.
        text: Its standard input.
        secrets: Variables of its environment, where no list of processes shows them.
        patience_s: Seconds that it may take.

    Raises:
        EnvironmentProblem: It is not there, fails, or does not answer.
    """
    program = words[0]
    try:
        done = subprocess.run(
            words,
            input=text,
            env={**os.environ, **(secrets or {})},
            capture_output=True,
            encoding="utf-8",
            errors="replace",  # of what a program of the user's prints
            timeout=patience_s,
            check=False,
        )
    except FileNotFoundError:
        raise EnvironmentProblem(
            f"there is no program {program} here",
            must="this must be a node from where jobs are submitted",
            remedy="log in to the cluster first",
        ) from None
    except subprocess.TimeoutExpired:
        raise EnvironmentProblem(f"{program} does not answer in {patience_s:g} s") from None
    if done.returncode:
        told = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        last = told[-1].partition("; if you choose to ignore")[0]  # kubectl's, of no use here
        raise EnvironmentProblem(f"{program} fails: {last[:300]}")
    return done.stdout
