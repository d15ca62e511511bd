"""What of the config's folder goes along to a cluster, and how large is it?"""

from __future__ import annotations

import io
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from raygen.errors import RunError
from raygen.launch import job_start

MOST_BYTES = 100 * 2**20
"""What Ray's job server takes."""
_NEVER = {".git", ".venv", "venv", "__pycache__", "runs"}
_IGNORES = (".gitignore", ".rayignore")
_SHOWN = 5
_Ignores = Callable[[str], bool]


@dataclass(frozen=True)
class Bundle:
    """Files of a folder."""

    folder: Path
    files: Sequence[tuple[str, int]]
    """Path below the folder, and bytes."""

    @property
    def size(self) -> int:
        """Bytes, before they are packed."""
        return sum(size for _, size in self.files)

    def holds(self, path: str) -> bool:
        """Whether a file, or something in a folder, goes along."""
        name = str(PurePosixPath(path))
        if name == ".":
            return bool(self.files)
        return any(file == name or file.startswith(f"{name}/") for file, _ in self.files)

    def told(self) -> str:
        """How many files, how large, and where most of it lies."""
        folders: Counter[str] = Counter()
        for name, size in self.files:
            first, _, rest = name.partition("/")
            folders[f"{first}/" if rest else "./"] += size
        largest = ", ".join(f"{name} {_told(size)}" for name, size in folders.most_common(_SHOWN))
        return f"{len(self.files)} files, {_told(self.size)}: {largest}"

    def packed(self) -> bytes:
        """The files as a zip, the same bytes for the same files, and what starts the job.

        Raises:
            RunError: It is more than the job server takes.
        """
        into = io.BytesIO()
        with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as pack:
            for name, _ in self.files:
                path = self.folder / name
                _add(pack, name, path.read_bytes(), runs=os.access(path, os.X_OK))
            start = Path(job_start.__file__)
            _add(pack, start.name, start.read_bytes())
        if into.tell() >= MOST_BYTES:
            raise RunError(
                f"{self.told()}; packed {_told(into.tell())}",
                where=str(self.folder),
                must=f"Ray's job server takes {_told(MOST_BYTES)}",
                remedy="name in .rayignore what the run does not need; put data on the shared "
                "folder and give its full path",
            )
        return into.getvalue()


def bundle_of(folder: Path) -> Bundle:
    """List what goes along: all files but what .gitignore and .rayignore leave out.

    Raises:
        RunError: A file cannot be read, or it is far more than a job server takes.
    """
    files = sorted(_files(folder, "", ()))
    bundle = Bundle(folder, files)
    if bundle.size > 10 * MOST_BYTES:  # that no packing makes small enough
        raise RunError(
            bundle.told(),
            where=str(folder),
            must=f"Ray's job server takes {_told(MOST_BYTES)}, packed",
            remedy="name in .rayignore what the run does not need; put data on the shared "
            "folder and give its full path",
        )
    return bundle


def _files(
    folder: Path, below: str, above: Sequence[tuple[str, _Ignores]]
) -> Iterator[tuple[str, int]]:
    try:
        entries = sorted(os.scandir(folder / below), key=lambda each: each.name)
    except OSError as error:
        told, where = error.strerror or "cannot be read", str(folder / below)
        raise RunError(told, where=where, remedy="name it in .rayignore") from None
    rules = [*above, *_rules(folder / below, below)]
    for entry in entries:
        name = f"{below}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            name += "/"
        if entry.name in _NEVER or any(ignores(name[len(start) :]) for start, ignores in rules):
            continue
        if not _is_text(name):
            raise RunError(
                f"the name {os.fsencode(name)!r} is not UTF-8",
                where=str(folder),
                must="what is shipped has names in UTF-8",
                remedy="rename it, or name its folder in .rayignore",
            )
        if name.endswith("/"):
            yield from _files(folder, name, rules)
        elif entry.is_file():
            if not os.access(entry.path, os.R_OK):
                raise RunError("cannot be read", where=entry.path, remedy="name it in .rayignore")
            yield name, entry.stat().st_size


def _rules(folder: Path, below: str) -> Iterator[tuple[str, _Ignores]]:
    from pathspec import GitIgnoreSpec  # only where something is shipped

    for name in _IGNORES:
        file = folder / name
        if not file.is_file():
            continue
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                GitIgnoreSpec.from_lines([line])
            except ValueError as error:
                raise RunError(str(error), where=f"{file}:{number}", remedy="mend it") from None
        yield below, GitIgnoreSpec.from_lines(lines).match_file


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _add(pack: zipfile.ZipFile, name: str, content: bytes, *, runs: bool = False) -> None:
    info = zipfile.ZipInfo(str(PurePosixPath(name)), date_time=(2000, 1, 1, 0, 0, 0))
    info.external_attr = (0o755 if runs else 0o644) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    pack.writestr(info, content)


def _told(size: int) -> str:
    for unit, factor in (("GB", 2**30), ("MB", 2**20), ("kB", 2**10)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
