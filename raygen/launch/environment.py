"""Which packages does a run need on a cluster, and in whose words does Ray take them?"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from raygen import __version__
from raygen.config.document import read_document
from raygen.config.resources_section import Environment
from raygen.config.schema import Experiment
from raygen.errors import ConfigError
from raygen.uris import secret_in, without_secret

SHIPPED = "${RAY_RUNTIME_ENV_CREATE_WORKING_DIR}/"
"""Opens the path of a file that was shipped; Ray and pip know the variable on each node."""
_OPTION = re.compile(
    r"(?P<flag>-r|--requirement|-c|--constraint|-f|--find-links|-e|--editable)[ =]*(?P<value>\S.*)"
)
_NAMES_FILE = re.compile(r"\.{1,2}/\S*|[^\s@;:]+\.(whl|zip|tar\.gz)")
_URI = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"]+", re.IGNORECASE)
_HARMLESS = re.compile(r"git|\$\{[A-Z0-9_]+\}|[^:]*:\$\{[A-Z0-9_]+\}")
"""Who may stand before the @ of a URI: the user of git's ssh, or the name of a variable, whose
value pip and uv put in on the node."""
_OPTIONS = ["--disable-pip-version-check", "--no-cache-dir", "--retries=1", "--timeout=15"]
"""Of pip: a node that reaches no index says so soon."""
_SAYS = ("ERROR: ", "error: ", "\N{MULTIPLICATION SIGN} ")
"""What opens the last words of pip and of uv."""
_INSTALL_S = 1800
"""For so long Ray lets an installation go on; its own 600 s are few for a framework."""


@dataclass(frozen=True)
class Packages:
    """What is to be installed."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Keys of a ``runtime_env`` of Ray's."""
    files: tuple[str, ...] = ()
    """Paths below the config's folder of what must be shipped for it."""
    unpinned: tuple[str, ...] = ()
    """Requirements that other versions may satisfy at another time."""
    told: str = ""
    """For the user."""


def packages_of(experiment: Experiment, folder: Path) -> Packages:
    """Read what ``environment`` names.

    Args:
        experiment: The config.
        folder: That of the config, which is shipped.

    Raises:
        ConfigError: A file is not there, or cannot be installed from on a cluster.
    """
    wanted = experiment.environment
    key = next((name for name in Environment.model_fields if getattr(wanted, name)), "")
    if not key:
        return Packages()
    given, where = getattr(wanted, key), experiment.origin.where(f"environment.{key}")
    settings = {"config": {"setup_timeout_seconds": _INSTALL_S}}
    if key == "conda":
        return Packages({"conda": _conda(given, folder, where), **settings}, told=f"conda, {given}")
    lines = _Lines(folder, where)
    packages = list(lines.of(_file(given, folder, where)))
    if not any(not line.startswith("-") for line in packages):
        raise ConfigError(f"{given} names no package", where=where, remedy="remove the key")
    # Ray installs anew for other words, not for other files of the same names
    packages += [f"# {name} sha256 {_digest(folder / name)}" for name in lines.files]
    options = {"pip": {"pip_install_options": _OPTIONS}, "uv": {}}[key]
    return Packages(
        {key: {"packages": packages, **options}, **settings},
        tuple(lines.files),
        tuple(lines.unpinned()),
        f"{key}, {given}",
    )


def failure_in(message: str) -> str:
    """What an installer said at last, of all that Ray says; empty if it is about something else."""
    if "runtime env" not in message:
        return ""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    begins = [n for n, line in enumerate(lines) if line.startswith(_SAYS)]
    said = lines[-1:]
    if begins:
        last = begins[-1]
        said = lines[last : last + 1] if lines[last].startswith("ERROR") else lines[last:]
    node = re.search(r"\[Node ([^\]]+)\]", message)
    told = re.sub("^({})".format("|".join(_SAYS)), "", " ".join(said).replace("╰─▶ ", ""))
    return f"the packages are not installed on node {node[1] if node else '?'}: {told}"[:500]


class _Lines:
    """Reads files of requirements into one list that can be installed from elsewhere."""

    def __init__(self, folder: Path, where: str) -> None:
        self._folder, self._where = folder, where
        self._constrained: set[str] = set()
        self._read: set[Path] = set()
        self.names: list[str] = []
        self.files: list[str] = []

    def of(self, file: Path) -> Iterator[str]:
        """Its lines, those of files that it names among them; paths are those on a node."""
        if file.resolve() in self._read:  # named by two files, or by itself
            return
        self._read.add(file.resolve())
        text = _text(file, self._where).replace("\\\n", " ")
        for line in (re.sub(r"(^|\s)#.*", "", each).strip() for each in text.splitlines()):
            _refuse_secret(line, file.name, self._where)
            if (option := _OPTION.fullmatch(line)) is not None:
                yield from self._option(file, option["flag"], option["value"].strip())
            elif (path := _NAMES_FILE.match(line)) is not None:
                self.names.append("")
                yield self._there(file, path[0]) + line[path.end() :]
            elif line:
                self.names += [] if line.startswith("-") else [line]
                yield line

    def unpinned(self) -> Iterator[str]:
        """Names without one version, that no file of constraints gives one."""
        for line in filter(None, self.names):
            name, pinned = _pin(line)
            if name and not pinned and name not in self._constrained:
                yield name

    def _option(self, file: Path, flag: str, value: str) -> Iterator[str]:
        if flag in ("-r", "--requirement"):
            yield from self.of(_file(value, file.parent, self._where))
            return
        if "://" in value or value.startswith("/"):
            yield f"{flag} {value}"
            return
        there = self._there(file, value)
        if flag in ("-c", "--constraint"):
            found = map(_pin, _text(file.parent / value, self._where).splitlines())
            self._constrained |= {name for name, pinned in found if pinned}
        if flag in ("-e", "--editable"):  # what is shipped is a copy that nobody edits
            self.names.append("")
            yield there
        else:
            yield f"{flag} {there}"

    def _there(self, file: Path, value: str) -> str:
        """The path that a file here has on a node."""
        path = (file.parent / value).resolve()
        below = self._folder.resolve()
        if not path.exists() or not path.is_relative_to(below):
            raise ConfigError(
                f"{file.name} names {value}",
                where=self._where,
                must=f"a relative path must be there, and lie in {below}, which is shipped",
                remedy="copy it there, or give a full path that all nodes have",
            )
        name = path.relative_to(below).as_posix()
        self.files.append(name)
        return SHIPPED + name


def _pin(line: str) -> tuple[str, bool]:
    """The name in a requirement, empty if it is none, and whether one version alone will do."""
    from packaging.requirements import InvalidRequirement, Requirement  # only where it is needed
    from packaging.utils import canonicalize_name

    try:
        found = Requirement(re.split(r"\s--", line)[0])
    except InvalidRequirement:
        return "", False
    exact = any(
        each.operator in ("==", "===") and "*" not in each.version for each in found.specifier
    )
    return canonicalize_name(found.name), exact or found.url is not None


def _conda(given: str, folder: Path, where: str) -> Any:
    """What a file of conda's says, or the name of an environment."""
    if not given.endswith((".yaml", ".yml")):
        return given
    values, _ = read_document(_file(given, folder, where))
    _refuse_secret("\n".join(_texts(values)), given, where)
    named = re.search(r"\braygen\b", str(values.get("dependencies", "")))
    if named is None:
        raise ConfigError(
            f"{given} names no raygen",
            where=where,
            must="an environment of conda has nothing of the cluster's own Python",
            remedy=f"write below its `pip:` where RayGen {__version__} comes from",
        )
    return values


def _texts(values: Any) -> Iterator[str]:
    """All texts in nested plain data."""
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, list):
        for each in values:
            yield from _texts(each)
    else:
        yield str(values)


def _refuse_secret(text: str, name: str, where: str) -> None:
    """Refuse what would stand in the job, which whoever sees the cluster can read.

    Raises:
        ConfigError: A URI in the text holds a password or the like.
    """
    for uri in _URI.findall(text):
        user, at, _ = urlsplit(uri).netloc.rpartition("@")
        secret = "a name or a password" if at and not _HARMLESS.fullmatch(user) else ""
        if secret := secret or secret_in(uri.replace(f"{user}@", "", 1)):
            raise ConfigError(
                f"{name} has {secret} in the URI {without_secret(uri)}",
                where=where,
                must="what is installed stands in the job, for all to read",
                remedy="write ${NAME} there, a variable of the nodes, or give them a pip.conf",
            )


def _file(given: str, folder: Path, where: str) -> Path:
    path = folder / given
    if not path.is_file():
        raise ConfigError(
            f"no such file: {given}", where=where, must=f"it is looked for in {folder}"
        )
    return path


def _text(file: Path, where: str) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "not a text"
        must = "it must hold requirements in UTF-8"
        raise ConfigError(f"{file.name}: {told}", where=where, must=must) from None


def _digest(path: Path) -> str:
    """Of the content of a file, or of all files of a folder."""
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    whole = hashlib.sha256()
    for file in files:
        whole.update(file.relative_to(path).as_posix().encode())
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()
