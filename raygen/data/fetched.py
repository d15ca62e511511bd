"""Is what a URI names there, and where does this machine's copy of it lie?"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raygen.data.fragments.fetch import fetch
from raygen.data.request import Request
from raygen.errors import ConfigError, DataError, EnvironmentProblem, RaygenError

_REFUSED = ("Forbidden", "Unauthorized", "Access Denied", "AccessDenied", "redentials")
_ABSENT = ("NoSuch", "Not Found", "nothing is there")
_OF_THE_DISK = (errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


def fetched(request: Request, uri: str) -> Path:
    """The copy of a file or folder on this machine, made by the text that programs have.

    Raises:
        DataError: It is not there, may not be read, or the store does not answer.
        EnvironmentProblem: A package for such stores is not installed, or there is no room here.
    """
    try:
        return Path(fetch(uri))
    except FileNotFoundError as error:
        cause = error.__cause__
        assert cause is not None, "fetch tells what went wrong"
        raise _refusal(request, uri, str(error), cause) from cause


def _refusal(request: Request, uri: str, told: str, cause: BaseException) -> RaygenError:
    """The line about what a store, or this machine, has said; some of them say it by a cause."""
    causes = [cause, cause.__cause__ or cause]
    words = " ".join(str(each) for each in causes)
    status = next((each.status for each in causes if hasattr(each, "status")), 0)
    if isinstance(cause, ImportError):
        problem, _, command = told.rpartition(": ")
        return EnvironmentProblem(
            problem,
            where=request.where(request.data_key),
            must="a package for such URIs must be installed",
            remedy=f"type {command}",
        )
    if getattr(cause, "errno", None) in _OF_THE_DISK:
        return EnvironmentProblem(
            f"{uri} cannot be copied: {cause}",
            where=request.where(request.data_key),
            remedy="set DATASET_CACHE to a folder with room that you may write",
        )
    if (
        status in (401, 403)
        or isinstance(cause, PermissionError)
        or any(word in words for word in _REFUSED)
    ):
        return request.data_error(
            told.replace("cannot", "may not"),
            must="credentials come from the environment, or from the files of the store's tools",
            remedy="set those of an account that may read it",
        )
    if status == 404 or (not status and _is_absent(causes[-1], words)):
        remedy = "look at its name, that of its bucket included"
        return request.data_error(f"nothing is at {uri}", remedy=remedy)
    remedy = "look at its name, and whether the store can be reached from here"
    return request.data_error(told, remedy=remedy)


def _is_absent(cause: BaseException, words: str) -> bool:
    return isinstance(cause, FileNotFoundError) or any(word in words for word in _ABSENT)


@contextmanager
def named_by(uri: str, place: str) -> Iterator[None]:
    """Let what is said of a copy name the URI that it is of.

    Raises:
        ConfigError: With the URI in place of the path, as of the other two.
        DataError: As before.
        EnvironmentProblem: As before.
    """
    try:
        yield
    except (ConfigError, DataError, EnvironmentProblem) as error:
        raise type(error)(
            error.problem.replace(place, uri),
            where=error.where,
            must=error.must.replace(place, uri),
            remedy=error.remedy.replace(place, uri),
        ) from error


def state_of(place: Path) -> str:
    """The fingerprint of a copied folder: of what the store said of its files."""
    return place.parent.name[:16]
