"""Which checkpoints of a run lie in its storage, and is each of them whole?

``checkpoints/00003/checkpoint-0/<stamp>/`` holds the files of one, and ``checkpoint-0.json``
beside that folder is written last: it names the stamp, the files with their sizes, and the program
that they are of. What no such file names is half a checkpoint, or an old one. A milestone is a
checkpoint of fold 0 that was kept: ``milestone-4.json`` names files that lie with those, which are
sent once though two name them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from raygen.runs.links import link_folder
from raygen.runs.paths import RunPaths, TrialPaths
from raygen.runs.records import History

_ATTEMPTS = 3
"""At links to a checkpoint that is replaced meanwhile."""
_KINDS = ("checkpoint-", "milestone-")
_NAMED = re.compile(r"checkpoint-(all|\d+)|milestone-\d+")
"""Neither those of further seeds nor of fold models, which begin again where a folder is lost."""
Key: TypeAlias = tuple[str, str]
"""The number of a trial, and the name of the folder of its checkpoint or milestone."""


class CheckpointCopies:
    """Copies of the newest checkpoints of what is not over yet, and of the milestones kept.

    Args:
        paths: Of the run.
        store: A file system of fsspec.
        root: Folder of the run in there.
    """

    def __init__(self, paths: RunPaths, store: Any, root: str) -> None:
        self._paths, self._store, self._root = paths, store, f"{root}/checkpoints"
        self._there: dict[Key, str] | None = None
        """The stamp of each that is whole; None until somebody has looked."""

    def bring(self, history: History) -> None:
        """Put those in their places that are whole, still wanted, and of the journal's program.

        A trial of a population that has none of its own any more begins with the milestone that
        it had gone on from.

        Args:
            history: Of the run, as it will go on.
        """
        for key in self._here():  # of a bringing that was cut off
            shutil.rmtree(self._folder(key), ignore_errors=True)
        whole, brought = self._manifests(), dict[str, Path]()
        for key, about in whole.items():
            if _is_wanted(history, *key) and about["program"] == history.trials[key[0]].source_sha:
                self._bring(key, self._files(key, about["stamp"]), about, brought)
        for move in {each.trial_id: each for each in history.exploits}.values():
            own, milestone = (move.trial_id, "checkpoint-0"), f"milestone-{move.epoch}"
            about = whole.get((move.parent, milestone), {})
            if not _is_wanted(history, *own) or self._folder(own).exists():
                continue
            if about.get("program") == move.program:  # what it has gone on from
                place = self._files((move.parent, milestone), about["stamp"])
                for key in (own, (move.trial_id, milestone)):
                    self._bring(key, place, about, brought)

    def send(self, may_go_on: Callable[[], bool]) -> None:
        """Send what is newer here, and remove what is over; new ones, then those sent longest ago.

        Args:
            may_go_on: Is asked before each.
        """
        there = self._there = self._tidy() if self._there is None else self._there
        here = self._here()
        for key in there.keys() - here:
            self._remove(self._manifest(key))  # from now on it is none
            self._forget(self._files(key, there.pop(key)), there)
        for key in sorted(here, key=lambda key: there.get(key, "")):
            if not may_go_on():
                return
            self._send(key, there)

    def _bring(self, key: Key, place: str, about: dict[str, Any], brought: dict[str, Path]) -> None:
        """Put one in its place, if that is free and its files are whole; shares what is here."""
        target = self._folder(key)
        if target.exists():  # of its own program since it moved, and as good
            return
        draft = target.with_name(f"{target.name}.brought")
        shutil.rmtree(draft, ignore_errors=True)
        if place in brought:
            link_folder(brought[place], draft)
        elif not self._load(place, draft, about["files"]):
            return  # begun anew instead
        draft.rename(target)
        os.utime(target, ns=(int(about["stamp"]), int(about["stamp"])))  # it need not be sent again
        brought[place] = target

    def _load(self, place: str, draft: Path, files: dict[str, int]) -> bool:
        """Copy the files of one here; returns whether they are all there, and whole."""
        for file, size in files.items():
            path = draft / file
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._store.get_file(f"{place}/{file}", str(path))
            except FileNotFoundError:  # it was being replaced
                return False
            if path.stat().st_size != size:
                return False
        return True

    def _send(self, key: Key, there: dict[Key, str]) -> None:
        """Send one: its files, then what makes them a checkpoint; only then the old one goes."""
        folder, linked = self._folder(key), self._paths.copying
        if _stamp(folder).partition(" ")[0] in ("", there.get(key)):
            return
        try:
            if not (told := _linked(folder, linked)):
                return  # another one is coming, and will be sent
            stamp, program = told
            place = self._files(key, stamp)
            files = sorted(path for path in linked.rglob("*") if path.is_file())
            sizes = {file.relative_to(linked).as_posix(): file.stat().st_size for file in files}
            for name in sizes if place not in self._named(there) else ():
                target = f"{place}/{name}"
                self._store.makedirs(target.rpartition("/")[0], exist_ok=True)
                self._store.put_file(str(linked / name), target)
        finally:
            shutil.rmtree(linked, ignore_errors=True)
        about = {"stamp": stamp, "program": program, "files": sizes}
        self._store.pipe_file(self._manifest(key), json.dumps(about).encode())
        old, there[key] = there.get(key), stamp
        if old:
            self._forget(self._files(key, old), there)

    def _here(self) -> set[Key]:
        """What there is on this machine, also what is being replaced at this moment."""
        found = [path for kind in _KINDS for path in self._paths.trials.glob(f"*/{kind}*")]
        names = {(path.parent.name, path.name.partition(".")[0]) for path in found}
        return {key for key in names if _NAMED.fullmatch(key[1])}

    def _manifests(self) -> dict[Key, dict[str, Any]]:
        """What is told of each checkpoint that came there as a whole."""
        found = {}
        for path in self._store.find(self._root) if self._store.exists(self._root) else []:
            trial_id, _, name = self._below(path).partition("/")
            if name.endswith(".json") and "/" not in name:
                with suppress(ValueError, FileNotFoundError):  # cut off, or replaced
                    about = json.loads(self._store.cat_file(path))
                    found[trial_id, name.removesuffix(".json")] = about
        return found

    def _tidy(self) -> dict[Key, str]:
        """Remove what belongs to no checkpoint that is whole; gives the stamps of those."""
        known = {key: str(about["stamp"]) for key, about in self._manifests().items()}
        named = self._named(known)
        for path in self._store.find(self._root) if self._store.exists(self._root) else []:
            parts = self._below(path).split("/")
            if len(parts) > 2 and f"{self._root}/{'/'.join(parts[:3])}" not in named:
                self._remove(path)
        return known

    def _below(self, path: str) -> str:
        return str(path).removeprefix(self._root).lstrip("/")

    def _folder(self, key: Key) -> Path:
        return self._paths.trials / key[0] / key[1]

    def _manifest(self, key: Key) -> str:
        return f"{self._root}/{key[0]}/{key[1]}.json"

    def _files(self, key: Key, stamp: str) -> str:
        """Where the files of one lie; a milestone's lie with those of fold 0."""
        name = "checkpoint-0" if key[1].startswith("milestone-") else key[1]
        return f"{self._root}/{key[0]}/{name}/{stamp}"

    def _named(self, there: dict[Key, str]) -> set[str]:
        """Where files lie that are of use."""
        return {self._files(key, stamp) for key, stamp in there.items()}

    def _forget(self, place: str, there: dict[Key, str]) -> None:
        """Remove files that nothing names any more, with the last of them their folder."""
        named, folder = self._named(there), place.rpartition("/")[0]
        if not any(each.startswith(f"{folder}/") for each in named):
            self._remove(folder)
        elif place not in named:
            self._remove(place)

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._store.rm(path, recursive=True)


def _is_wanted(history: History, trial_id: str, name: str) -> bool:
    """Whether what a checkpoint is of is known, and not over."""
    trial, (kind, _, fold) = history.trials.get(trial_id), name.partition("-")
    if trial is None or f"{kind}-" not in _KINDS or (fold != "all" and not fold.isdecimal()):
        return False
    if kind == "milestone":
        return not trial.state.is_over()
    if fold == "all":
        return history.test.get("trial_id") != trial_id
    return (trial_id, int(fold)) not in history.folds and (fold != "0" or not trial.state.is_over())


def _linked(folder: Path, target: Path) -> tuple[str, str] | None:
    """Give a checkpoint a second name, all of it; gives its stamp and its program.

    None if it was replaced again and again meanwhile, or is on its way to another program.
    """
    trial = TrialPaths(folder.parent)
    for _ in range(_ATTEMPTS):
        before, program = _stamp(folder), _sha(trial.model)
        with suppress(OSError):  # it has just been replaced
            link_folder(folder, target)
            if before == _stamp(folder) and program == _sha(trial.model) and not trial.moves:
                return before.partition(" ")[0], program
    return None


def _stamp(folder: Path) -> str:
    """What tells a checkpoint from the one before: when it was written, and which folder it is."""
    try:
        found = folder.stat()
    except FileNotFoundError:
        return ""
    return f"{found.st_mtime_ns} {found.st_ino}"


def _sha(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""
