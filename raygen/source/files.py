"""What have programs in common that no search has written, and may they be compared?"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raygen.config.space import Space
from raygen.config.words import listed
from raygen.errors import ConfigError, DataError
from raygen.source.blueprint import Changes
from raygen.source.candidate import Candidate, Source
from raygen.source.frameworks import FRAMEWORKS
from raygen.source.program import Program
from raygen.tasks.task import Objective

if TYPE_CHECKING:
    import numpy as np

_AT_A_TIME = 2
"""Programs that are looked at; each of them imports its framework and loads the data."""
_PATIENCE_S = 1800.0
"""For data that is brought from far away."""
_PRELOADED = ("numpy", "sklearn", "pandas", "torch", "tensorflow", "keras")
"""Packages that are slow to import, and harmless to import ahead."""


@dataclass(frozen=True, kw_only=True)
class FilesBlueprint:
    """Programs that are there already; an ``AnyBlueprint`` whose one parameter names a file."""

    name: str
    objectives: tuple[Objective, ...]
    space: Space
    seed: int
    epochs: int
    folds: int
    repeats: int
    programs: tuple[Program, ...]

    packages: tuple[str, ...] = ()
    data_text: str = ""
    reads_by: str = ""
    can_resume: bool = True
    left_out: str = ""

    @property
    def metric(self) -> str:
        """The name of the first objective."""
        return self.objectives[0].name

    @cached_property
    def sources(self) -> dict[str, Source]:
        """By file, the program that is ranked."""
        return {each.file: each.dealt(self.folds, self.repeats) for each in self.programs}

    @property
    def data_sha(self) -> str:
        """Fingerprint of the files and of the rows that they load."""
        known = [(each.file, each.source.sha) for each in self.programs]
        arrays = self._found[self.programs[0].file]["arrays"]
        return hashlib.sha256(repr((sorted(known), arrays)).encode()).hexdigest()[:16]

    def told(self) -> str:
        """The files, and what of them is not ranked as it is."""
        deals = f"{self.folds} folds"
        if self.repeats > 1:
            deals += f" {self.repeats} times"
        changed = [each.file for each in self.programs if each.source != self.sources[each.file]]
        copies = f"; copies with other FOLDS stand for {listed(changed)}" if changed else ""
        alone = "; one file alone is scored, and compared with nothing"
        return (
            f"{len(self.programs)} program{'s' * (len(self.programs) != 1)}, {deals}{copies}"
            f"{alone if len(self.programs) == 1 else ''}"
        )

    def check(self) -> None:
        """Have each program load its data and deal its rows, and compare what comes of it.

        Raises:
            ConfigError: A program cannot, or they are not of the same rows.
        """
        first, *others = self.programs
        known = self._found[first.file]
        counts = [shape[0] for shape, _ in known["folds"]]
        if 0 in counts:
            raise ConfigError(
                f"fold {counts.index(0)} of {self.folds * self.repeats} holds out none of the "
                f"{known['arrays']['y'][0][0]} rows",
                where=f"{first.file}: split",
                must="each fold must hold out some",
                remedy="type --folds with a lower number",
            )
        for program in others:
            found = self._found[program.file]
            for name, (shape, sha) in found["arrays"].items():
                if [shape, sha] == known["arrays"][name]:
                    continue
                its = known["arrays"][name][0]
                told = f"{name} of shape {shape}, that of {first.file} is {its}"
                raise ConfigError(
                    told if shape != its else f"other values in {name} than {first.file}",
                    where=f"{program.file}: load_data",
                    must="all must load the same rows",
                    remedy="rank those apart that do not",
                )
            if found["folds"] != known["folds"]:
                seeds = [each.constants["SEED"] for each in (program, first)]
                differ = seeds[0] != seeds[1]
                raise ConfigError(
                    f"other rows are held out in its folds than in those of {first.file}"
                    + (f"; SEED is {seeds[0]}, there {seeds[1]}" if differ else ""),
                    where=f"{program.file}: split",
                    must="all must be scored on the same",
                    remedy="give all the same SEED" if differ else "",
                )

    def repeated(self, repeat: int) -> FilesBlueprint:
        """The same: a file has its own seed."""
        return self

    def render(self, candidate: Candidate, *, changes: Changes = ()) -> Source:
        """The program of a file."""
        return self.sources[str(candidate.values["file"])]

    def num_parameters(self, candidate: Candidate) -> int:
        """Trained numbers, counted when the program was looked at."""
        return int(self._found[str(candidate.values["file"])]["num_parameters"])

    def preload(self) -> tuple[str, ...]:
        """The slow packages that all programs import."""
        imported = [
            {module.split(".")[0] for module in source.imports} for source in self.sources.values()
        ]
        shared = set.intersection(*imported)
        late = [each.loaded_late for each in FRAMEWORKS.values() if each.package in shared]
        return (*(name for name in _PRELOADED if name in shared), *sum(late, ()))

    def load_arrays(self) -> dict[str, np.ndarray]:
        """What the first program loads, which is what all load."""
        import numpy as np

        from raygen.source.look import ARRAYS

        program = self.programs[0]
        with tempfile.TemporaryDirectory() as folder:
            _look(program.file, self.sources[program.file], arrays=Path(folder))
            return {name: np.load(Path(folder, f"{name}.npy")) for name in ARRAYS}

    @cached_property
    def _found(self) -> Mapping[str, dict[str, Any]]:
        """By file, what its program loads, deals and builds."""
        files = list(self.sources)
        with ThreadPoolExecutor(_AT_A_TIME) as threads:
            return dict(zip(files, threads.map(_look, files, self.sources.values()), strict=True))


def config_of(programs: Sequence[Program]) -> dict[str, Any]:
    """The config by which files are ranked as they are: all of them, on their own folds."""
    first = programs[0]
    dealt: dict[str, Any] = {"folds": first.folds, "repeats": first.repeats}
    if "BY" in first.constants:
        split = "grouped" if {"FOLD_ROWS", "GROUPS"} & set(first.constants) else "ordered"
        dealt |= {"split": split, "by": first.constants["BY"]}
        if "GAP" in first.constants:
            dealt |= {"window": first.constants["WINDOW"] or None, "gap": first.constants["GAP"]}
    return {
        "name": "ranked",
        "task": {
            "name": "Custom",
            "folder": ".",
            "files": [each.file for each in programs],
            "metric": first.constants["METRIC"],
        },
        "search": {
            "algorithm": "grid",
            "scheduler": "fifo",
            "trials": len(programs),
            "max_epochs": max(each.constants["EPOCHS"] for each in programs),
        },
        "rank": {"top": len(programs), **dealt},
        "resources": {
            "cpus_per_trial": max(int(each.constants.get("THREADS", 1)) for each in programs)
        },
    }


def _look(file: str, source: Source, arrays: Path | None = None) -> dict[str, Any]:
    """Look at a program in a process of its own, for importing it runs it.

    Raises:
        DataError: It cannot load its data, deal it, or build its network.
    """
    with tempfile.TemporaryDirectory() as folder:
        model, found = Path(folder, "model.py"), Path(folder, "found.json")
        model.write_text(source.text, encoding="utf-8", newline="")
        command = [sys.executable, "-m", "raygen.source.look", str(model), str(found)]
        command += [str(arrays)] if arrays else []
        try:
            done = subprocess.run(command, capture_output=True, check=False, timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise DataError(
                f"its data is not loaded and its network not built after {_PATIENCE_S / 60:g} min",
                where=file,
                must="importing it must not train, nor wait for anybody",
                remedy=f"type python {file} --fold 0",
            ) from None
        told = json.loads(found.read_bytes()) if found.exists() else {}
    if done.returncode or "error" in told:
        ended = f"its process ended with exit code {done.returncode}"
        raise DataError(
            told.get("error", ended),
            where=file,
            must="it must load its data, deal it and build its network",
            remedy=f"type python {file} --fold 0",
        )
    return dict(told)
