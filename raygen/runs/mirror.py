"""How does a run outlive the machine that its folder is on? It is copied to a URI as it goes.

The journal goes there in segments, because object stores cannot append: each holds what was written
since the one before, and is named by where it begins. Checkpoints are large and go by a thread of
their own, so that the journal does not wait for them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from raygen.errors import EnvironmentProblem, RunError
from raygen.runs.checkpoint_copies import CheckpointCopies
from raygen.runs.paths import RunPaths
from raygen.runs.records import History
from raygen.uris import is_uri

_EVERY_S = 10.0
_SHARE_FOR_CHECKPOINTS = 0.2
"""Of the time, while a run goes on; in its end the newest ones are sent whatever that takes."""
_PATTERNS = (
    "config.yaml",
    "leaderboard.json",
    "report.png",
    "best/**/*",
    "trials/*/model.py",
    "trials/*/out-of-fold/*.npz",
)
"""Besides the journal and the checkpoints."""
_APART = ("journal/", "checkpoints/", "nested/")
"""What is not brought file by file; the runs of outer folds have mirrors of their own."""


class Mirror:
    """The copy of a run's folder.

    Args:
        folder: Of the run.
        uri: Folder of all runs, in what fsspec reads: s3://, gs://, abfs://, file://, ...

    Raises:
        EnvironmentProblem: fsspec cannot read it.
    """

    def __init__(self, folder: Path, uri: str) -> None:
        self._paths = RunPaths(folder)
        self._uri = f"{uri.rstrip('/')}/{folder.name}"
        if is_uri(uri) and not uri.partition("://")[2].strip("/"):
            raise self._refused(ValueError(f"{uri} names no bucket or folder"))
        try:
            import fsspec

            self._store, self._root = fsspec.url_to_fs(self._uri)
        except (ImportError, ValueError, OSError) as error:
            raise self._refused(error) from None
        self._checkpoints = CheckpointCopies(self._paths, self._store, self._root)
        self._sent: dict[str, tuple[int, float]] = {}
        self._place = 0

    def restore(self) -> None:
        """Bring the run here if the store has it and this machine has not.

        Raises:
            EnvironmentProblem: The store cannot be read.
            RunError: It holds another run of that name, or more of this one.
        """
        try:
            segments = self._segments()
            if self._paths.journal.exists():
                self._check_same(segments)
            elif segments:
                self._bring(segments)
        except RunError:
            raise
        except Exception as error:  # each store has errors of its own
            raise self._refused(error) from None
        self._place = sum(size for _, size in segments)

    @contextmanager
    def copying(self, say: Callable[[str], None]) -> Iterator[None]:
        """Copy what is new for as long as the block lasts, and once more at its end.

        Args:
            say: Is told of trouble with the store; the run goes on.

        Raises:
            EnvironmentProblem: The store cannot be written.
        """
        try:
            self._write_a_word()
            self._copy()
        except Exception as error:  # as before
            raise self._refused(error) from None
        closing = threading.Event()

        def follow() -> None:
            while not closing.wait(_EVERY_S):
                self._try(self._copy, say)

        def follow_checkpoints() -> None:
            pause = _EVERY_S
            while not closing.wait(pause):
                began = time.monotonic()
                self._try(lambda: self._checkpoints.send(lambda: not closing.is_set()), say)
                took = time.monotonic() - began
                pause = max(_EVERY_S, took / _SHARE_FOR_CHECKPOINTS - took)

        threads = [threading.Thread(target=follow, name="mirror", daemon=True)]
        threads += [threading.Thread(target=follow_checkpoints, name="checkpoints", daemon=True)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            closing.set()
            for thread in threads:
                thread.join()
            self._try(self._finish, say)

    def _write_a_word(self) -> None:
        """A new run has nothing to send yet, and must not learn after hours that it cannot."""
        name = f"{self._root}/writable-{os.getpid()}"
        self._store.makedirs(self._root, exist_ok=True)
        self._store.pipe_file(name, b"yes\n")
        self._store.rm_file(name)

    def _finish(self) -> None:
        """Send all that is new, however long that takes."""
        self._copy()
        self._checkpoints.send(lambda: True)

    def _bring(self, segments: Sequence[tuple[str, int]]) -> None:
        """Copy the store's files here; the journal is the last one but for the config.

        Without a journal there is no run here, so this may be cut off and begun again.
        """
        folder, late = self._paths.folder, self._paths.config.name
        names = [str(path).removeprefix(self._root).lstrip("/") for path in self._found(self._root)]
        for name in names:
            if name != late and not name.startswith(_APART):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                self._store.get_file(f"{self._root}/{name}", str(target))
        journal = b"".join(self._store.cat_file(path) for path, _ in segments)
        folder.mkdir(parents=True, exist_ok=True)
        draft = self._paths.journal.with_suffix(".brought")
        draft.write_bytes(journal)
        self._checkpoints.bring(History.read(draft))
        draft.rename(self._paths.journal)
        if late in names:
            self._store.get_file(f"{self._root}/{late}", str(folder / late))

    def _try(self, copy: Callable[[], None], say: Callable[[str], None]) -> None:
        try:
            copy()
        except Exception as error:  # each store has errors of its own
            say(f"{self._uri} could not be written, and is behind: {_first_line(error)}")

    def _copy(self) -> None:
        """Send what is new: first what the journal speaks of, then the journal."""
        journal = self._paths.journal
        end = journal.stat().st_size if journal.exists() else 0
        for pattern in _PATTERNS:
            for path in self._paths.folder.glob(pattern):
                self._copy_file(path)
        if end < self._place:  # the run was begun anew
            self._store.rm(f"{self._root}/journal", recursive=True)
            self._place = 0
        if end > self._place:
            with journal.open("rb") as file:
                file.seek(self._place)
                new = file.read(end - self._place)
            whole = new[: new.rfind(b"\n") + 1]
            if whole:
                name = f"{self._root}/journal/{self._place:012d}.jsonl"
                self._store.makedirs(f"{self._root}/journal", exist_ok=True)
                self._store.pipe_file(name, whole)
                self._place += len(whole)

    def _copy_file(self, path: Path) -> None:
        try:
            found = path.stat()
        except FileNotFoundError:
            return
        name, state = (
            path.relative_to(self._paths.folder).as_posix(),
            (found.st_size, found.st_mtime),
        )
        if path.is_file() and self._sent.get(name) != state:
            target = f"{self._root}/{name}"
            self._store.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._store.put_file(str(path), target)
            self._sent[name] = state

    def _segments(self) -> list[tuple[str, int]]:
        """The parts of the journal with their sizes in bytes, in order and without a gap."""
        kept, place = [], 0
        for path in sorted(self._found(f"{self._root}/journal")):
            if int(Path(path).stem) == place:
                kept.append((path, int(self._store.info(path)["size"])))
                place += kept[-1][1]
        return kept

    def _found(self, folder: str) -> list[str]:
        """The files of a folder; none where it is not there."""
        return list(self._store.find(folder)) if self._store.exists(folder) else []

    def _check_same(self, segments: Sequence[tuple[str, int]]) -> None:
        """Refuse to mix two runs of one name, or to go on from an old state of this one."""
        here = self._paths.journal.read_bytes()
        there = b"".join(self._store.cat_file(path) for path, _ in segments)
        if here.startswith(there):
            return
        is_behind = there.startswith(here[: here.rfind(b"\n") + 1]) and here
        raise RunError(
            "it holds more of this run" if is_behind else "it holds another run of that name",
            where=self._uri,
            must=f"the journal of {self._paths.folder} must be the longer one",
            remedy=f"move {self._paths.folder} away, and the same command brings it here"
            if is_behind
            else "give the config another name, or storage another folder",
        )

    def _refused(self, error: Exception) -> EnvironmentProblem:
        return EnvironmentProblem(
            f"cannot be used: {_first_line(error)}",
            where=f"storage: {self._uri}",
            must="fsspec must be able to read and write it",
            remedy="install what it names (s3fs, gcsfs, adlfs), and give it the right to write",
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


class NoMirror:
    """That of a run which is copied nowhere."""

    def restore(self) -> None:
        """Nothing of it is elsewhere."""

    def copying(self, say: Callable[[str], None]) -> AbstractContextManager[None]:
        """Nothing is copied."""
        return nullcontext()


def mirror_of(folder: Path, uri: str | None) -> Mirror | NoMirror:
    """What keeps the copy of a run's folder, if it is to have one.

    Raises:
        EnvironmentProblem: fsspec cannot read the URI.
    """
    return NoMirror() if uri is None else Mirror(folder, uri)
