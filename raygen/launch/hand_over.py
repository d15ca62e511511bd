"""Prints files of a run, packed, for one who reaches the cluster's job server and no more.

``python -m raygen.launch.hand_over RUN``, or with the path of one file below it, as a job of Ray's;
what that prints is read by ``handed_over``.
"""

from __future__ import annotations

import base64
import hashlib
import io
import sys
import tarfile
from fnmatch import fnmatch
from pathlib import Path

from raygen.errors import RaygenError, RunError

SCRATCH = (
    "checkpoint-*",
    "milestone-*",
    "move-*",
    "turn-*",
    "waits-*",
    "launch",
    ".tune",
    ".copying",
    ".lock",
)
"""Files and folders of a run that are of use on the cluster only."""
_MOST_BYTES = 100 * 2**20
_OPENS, _CLOSES = "packed:", "sha256:"


def packed(run: Path, below: str = ".") -> bytes:
    """The files of a run as a tar, gzipped.

    Raises:
        RunError: They are not there, or are more than a log should hold.
    """
    if not (run / below).exists():
        raise RunError("there is no such file on the cluster", where=str(run / below))
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w:gz") as pack:
        pack.add(run / below, arcname=below, filter=_without_scratch)
    if into.tell() > _MOST_BYTES:
        raise RunError(
            f"its files are {into.tell() / 2**20:.0f} MB",
            where=str(run),
            must=f"through the job server at most {_MOST_BYTES // 2**20} MB are brought",
            remedy="submit it with the file of the cluster, which says the way by ssh",
        )
    return into.getvalue()


def handed_over(log: str) -> bytes:
    """What a job has printed, as bytes again.

    Raises:
        RunError: It was cut off.
    """
    content = base64.b64decode(log.partition(_OPENS)[2].partition(_CLOSES)[0])
    if hashlib.sha256(content).hexdigest() != log.rpartition(_CLOSES)[2].strip():
        raise RunError("what the cluster sent was cut off", remedy="type raygen fetch again")
    return content


def main() -> None:
    """Print them."""
    try:
        content = packed(Path(sys.argv[1]), *sys.argv[2:])
    except RaygenError as error:
        sys.exit(f"Error: {error}")
    print(_OPENS)
    print(base64.encodebytes(content).decode("ascii"))
    print(_CLOSES, hashlib.sha256(content).hexdigest())


def _without_scratch(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    name = Path(member.name).name
    return None if any(fnmatch(name, each) for each in SCRATCH) else member


if __name__ == "__main__":
    main()
