"""Is a text a URI, and may it be written down?

``secret_in("s3://bucket/flowers.npz")`` is empty; of a URI that holds a password it says so.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, urlsplit, urlunsplit

_URI = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_SECRET = re.compile(
    r"(.*[-_])?(sig|signature|token|credential|password|passwd|pwd|secret|auth|authorization|key"
    r"|apikey|accesskey|accesskeyid|awsaccesskeyid)",
    re.IGNORECASE,
)
"""Names of query parameters that let in whoever has them."""


def is_uri(text: str | None) -> bool:
    """Whether a text names something by a URI, rather than by a path."""
    return _URI.match(text or "") is not None


def secret_in(uri: str) -> str:
    """What of a URI lets in whoever reads it; empty if nothing does."""
    parts = urlsplit(uri)
    if "@" in parts.netloc and ":" in parts.netloc.rpartition("@")[0]:
        return "a password"
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    return next((f"the parameter {name}" for name in names if _SECRET.fullmatch(name)), "")


def without_secret(uri: str) -> str:
    """A URI without user, password and parameters."""
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def file_name(path: str) -> str:
    """The last name of a path, or of the path of a URI."""
    return PurePosixPath(urlsplit(path).path if is_uri(path) else path).name
