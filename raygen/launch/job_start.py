"""Begins a job on a cluster: is RayGen there, and the same? Shipped beside the config.

It runs with the Python of the cluster, whichever that is, so it is written for 3.6 and newer.
"""

import os
import re
import sys

OLDEST = (3, 10)
REMEDY = (
    "mend setup_commands of the cluster file and type ray up, or install it on all nodes; "
    "with `environment: conda`, name it in that environment"
)


def main(wanted: str, *rest: str) -> None:
    """Check what can be checked without RayGen, and become its ``begin``.

    Args:
        wanted: The version of RayGen that submitted the job.
        rest: What ``begin`` is given.
    """
    python = ".".join(map(str, sys.version_info[:3]))
    where = f"Error: Python {python} of the cluster ({sys.executable})"
    if sys.version_info < OLDEST:
        sys.exit(f"{where}: it must be 3.10 or newer; {REMEDY}")
    try:
        from raygen import __version__
    except ImportError as error:
        sys.exit(f"{where}: {error}; RayGen {wanted} must be there; {REMEDY}")
    if __version__ != wanted:
        sys.exit(f"{where}: its RayGen is {__version__}; it must be {wanted}; {REMEDY}")
    lacking = _lacking()
    if lacking:
        sys.exit(f"{where}: RayGen is there, but not {', '.join(lacking)}; {REMEDY}")
    os.execv(sys.executable, [sys.executable, "-m", "raygen.begin", *rest])


def _lacking() -> "list[str]":
    """The packages that RayGen needs and that are not there; none of a RayGen that was copied."""
    from importlib import metadata  # 3.8 and newer

    named = [each.metadata["Name"] or "" for each in metadata.distributions()]  # one may be damaged
    found = {name.lower().replace("_", "-") for name in named}
    try:
        lines = metadata.requires("raygen") or []
    except metadata.PackageNotFoundError:
        return []
    names = [re.split(r"[^\w.-]", line)[0].lower() for line in lines if ";" not in line]
    return [name for name in names if name not in found]


if __name__ == "__main__":
    main(*sys.argv[1:])
