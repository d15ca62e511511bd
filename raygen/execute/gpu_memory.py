"""Is the memory of a GPU free for the next program, and does each keep to its part?"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping

SHARE = "RAYGEN_GPU_SHARE"
"""Variable that tells a child its part of a GPU."""
_QUERY = (
    "nvidia-smi",
    "--query-gpu=index,uuid,memory.free,memory.total",
    "--format=csv,noheader,nounits",
)
_PATIENCE_S = 30.0
_PAUSE_S = 0.5
_SLACK = 0.1
"""Part of a share that contexts and fragments of others may take of it."""


def environment_of(gpus: float) -> dict[str, str]:
    """What programs with so many GPUs must find when their libraries are loaded.

    TensorFlow would take all memory of a GPU that it shares.
    """
    shared = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"} if 0 < gpus < 1 else {}
    return {SHARE: repr(gpus), **shared}


def await_memory(environment: Mapping[str, str] = os.environ) -> None:
    """Wait until the part of each GPU that a program was given is free of those before it.

    A process that was killed may hold its memory for a moment. What is not free after half a
    minute is told in the program's log, which then tries its luck: others may use the GPU too.
    """
    share = float(environment.get(SHARE, "0"))
    if not share:
        return
    until = time.monotonic() + _PATIENCE_S
    while taken := _taken(min(share, 1.0), environment.get("CUDA_VISIBLE_DEVICES", "")):
        if time.monotonic() > until:
            print(f"{taken} after {_PATIENCE_S:g} s, as nvidia-smi says", flush=True)
            return
        time.sleep(_PAUSE_S)


def limit_memory(environment: Mapping[str, str] = os.environ) -> None:
    """Keep a PyTorch program to its part of a GPU, so that it cannot take that of others."""
    share = float(environment.get(SHARE, "0"))
    if 0 < share < 1 and "torch" in sys.modules:
        import torch

        if torch.cuda.is_available():
            torch.cuda.set_per_process_memory_fraction(share)


def _taken(share: float, visible: str) -> str:
    """What is not free of a part of the visible GPUs; nothing if it is, or nobody knows."""
    try:
        done = subprocess.run(_QUERY, capture_output=True, text=True, timeout=10, check=True)
        rows = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines()]
        memory = {
            name: (float(free), float(total))
            for number, uuid, free, total in rows
            for name in (number, uuid)
        }
    except (OSError, subprocess.SubprocessError, ValueError):
        return ""
    for name in visible.split(","):
        free, total = memory.get(name.strip(), (1.0, 1.0))
        if free < share * (1 - _SLACK) * total:
            return f"GPU {name}: only {free:g} of {share * total:g} MiB are free"
    return ""
