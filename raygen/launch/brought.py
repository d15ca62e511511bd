"""What comes here of a run whose folder is elsewhere? All its files, or the log of a trial."""

from __future__ import annotations

import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeAlias

from raygen.errors import RaygenError, RunError
from raygen.launch.hand_over import SCRATCH
from raygen.launch.ticket import Ticket
from raygen.runs.paths import RunPaths
from raygen.source.candidate import is_foreign

Pack: TypeAlias = Callable[[str, IO[bytes]], object]
"""Writes what lies at a path below the folder of a run into a file, as a gzipped tar."""


def tar_words(run: str, below: str) -> list[str]:
    """The words that have the program tar print such a pack, without what is of no use here."""
    return ["tar", "-C", run, *(f"--exclude={each}" for each in SCRATCH), "-czf", "-", below]


def bring_run(pack: Pack, ticket: Ticket, paths: RunPaths) -> list[Path]:
    """Bring a run's files here, all but checkpoints; the winner to where the config wants it.

    Returns:
        What was written.

    Raises:
        RunError: The folder is not there, or somebody else's file lies where the winner goes.
    """
    if ticket.output and is_foreign(Path(ticket.output)):
        raise RunError(
            "it was not written by RayGen",
            where=ticket.output,
            must="the winner goes there, and nobody else's file is overwritten",
            remedy="move it away, and type raygen fetch again",
        )
    written = []
    with tempfile.TemporaryDirectory(dir=paths.ticket.parent) as scratch:
        found = Path(scratch) / "run"
        with tempfile.TemporaryFile(dir=scratch) as file:
            pack(".", file)
            _unpack(file, found)
        for path in sorted(each for each in found.rglob("*") if each.is_file()):
            place = paths.folder / path.relative_to(found)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
            written.append(place)
    winner = paths.folder / "model.py"
    if winner in written and ticket.output:
        shutil.copyfile(winner, ticket.output)
        written.append(Path(ticket.output))
    return written


def trial_log(pack: Pack, trial: str) -> str:
    """What a trial has printed.

    Raises:
        RunError: There is no such trial.
    """
    if not re.fullmatch(r"[\w-]+", trial):
        raise RunError(f"{trial!r} given", must="a trial is named by its number, such as 00003")
    below = f"trials/{trial}/log.txt"
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile() as file:
        try:
            pack(below, file)
        except RaygenError as error:
            if not any(sign in error.problem for sign in ("no such file", "Cannot stat")):
                raise
            remedy = "its number stands in what raygen logs RUN prints, such as 00003"
            raise RunError(
                f"there is no trial {trial}, or it has not begun", remedy=remedy
            ) from None
        _unpack(file, Path(scratch))
        return (Path(scratch) / below).read_text(encoding="utf-8", errors="replace")


def _unpack(file: IO[bytes], folder: Path) -> None:
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:gz") as pack:
            pack.extractall(folder, filter="data")  # nothing lands outside the folder
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise RunError(
            f"what the cluster sent was cut off ({error})", remedy="type the same again"
        ) from None
