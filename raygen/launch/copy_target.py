"""May the run of a cluster be copied there, as far as one knows before it begins?"""

from __future__ import annotations

from pathlib import Path

from raygen.config.words import did_you_mean, listed
from raygen.errors import ConfigError, RunError
from raygen.execute.shared_folder import check_shared
from raygen.uris import is_uri

_USUAL = ("s3", "gs", "abfs", "az", "hdfs", "file")
_LOCAL = "file://"


def check_copy_target(storage: str | None, where: str) -> None:
    """Refuse what names no folder, or one of which nobody knows where it is on the cluster.

    Args:
        storage: As the config has it.
        where: It stands there.

    Raises:
        ConfigError: So it is.
    """
    if storage is None:
        return
    if not is_uri(storage):
        if not storage.startswith("/"):
            _refuse(storage, where, "it must be a URI, or the full path of a folder on the cluster")
        return
    import fsspec

    scheme, _, path = storage.partition("://")
    if scheme not in fsspec.available_protocols():
        must = f"fsspec must know it, for example {listed(_USUAL)}"
        _refuse(storage, where, must, did_you_mean(scheme, _USUAL))
    if not path.strip("/"):
        _refuse(storage, where, "it must name a bucket or a folder")


def check_copy_shared(storage: str | None) -> None:
    """Refuse a folder for the copy that only the head's machine has: it would be lost with it.

    Raises:
        RunError: A node does not see it, or nobody may write it.
    """
    if storage is None or (is_uri(storage) and not storage.startswith(_LOCAL)):
        return
    folder = Path(storage.removeprefix(_LOCAL))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_shared(folder)
    except OSError as error:
        problem = f"it cannot be written: {error.strerror}"
    except RunError as error:
        problem = error.problem
    else:
        return
    raise RunError(
        problem,
        where=f"storage: {storage}",
        must="what only one node has is lost with that",
        remedy="give a folder that all nodes share, or a URI: s3://bucket/runs",
    )


def _refuse(
    storage: str, where: str, must: str, remedy: str = "for example s3://bucket/runs"
) -> None:
    raise ConfigError(f"{storage!r} given", where=where, must=must, remedy=remedy)
