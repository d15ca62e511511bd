"""Turns a candidate of a user's own objective into the text of its model.py."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raygen.config.space import Space
from raygen.source.blueprint import Changes
from raygen.source.candidate import Candidate, Source
from raygen.source.frameworks import FRAMEWORKS
from raygen.source.literals import assignment
from raygen.source.skeleton import fill, functions, harmless
from raygen.source.user_command import UserCommand
from raygen.source.user_function import UserFunction
from raygen.tasks.task import Objective

if TYPE_CHECKING:
    import numpy as np

_SKELETONS = "raygen.source.skeletons"
_PRELOADED = ("numpy", "scipy", "pandas", "sklearn", "torch", "tensorflow", "keras", "matplotlib")
"""Packages that are slow to import, and harmless to import ahead."""


@dataclass(frozen=True, kw_only=True)
class CustomBlueprint:
    """All that the candidates of a Custom run have in common; an ``AnyBlueprint``."""

    name: str
    objectives: tuple[Objective, ...]
    space: Space
    seed: int
    epochs: int
    folder: Path
    """Where the user's files lie; absolute."""
    program: UserFunction | UserCommand

    folds: int = 0
    packages: tuple[str, ...] = ()
    data_text: str = ""
    reads_by: str = ""

    @property
    def metric(self) -> str:
        """The name of the first objective."""
        return self.objectives[0].name

    @cached_property
    def files(self) -> dict[str, str]:
        """The user's files by their path below the folder, each with its sha256."""
        own = self.program
        names = (own.file,) if isinstance(own, UserFunction) else own.files(self.folder)
        return {n: hashlib.sha256((self.folder / n).read_bytes()).hexdigest() for n in names}

    @property
    def data_sha(self) -> str:
        """Fingerprint of the user's files."""
        return hashlib.sha256(repr(sorted(self.files.items())).encode()).hexdigest()[:16]

    @property
    def can_resume(self) -> bool:
        """Whether the user's program, as far as it can be seen, saves and goes on."""
        return self.program.can_resume

    @property
    def left_out(self) -> str:
        """The data is the user's."""
        return ""

    def told(self) -> str:
        """The user's program, in a few words."""
        match self.program:
            case UserFunction(file=file, name=name):
                return f"{file}:{name}, " + self._goes_on()
            case UserCommand(words=words):
                return f"`{' '.join(words)}`, " + self._goes_on()

    def _goes_on(self) -> str:
        return "goes on from its checkpoints" if self.can_resume else "without checkpoints"

    def check(self) -> None:
        """Nothing can be said of a candidate before it runs."""

    def repeated(self, repeat: int) -> CustomBlueprint:
        """The same with the seed of a further training of the same candidates; 0 is the first."""
        return replace(self, seed=self.seed + repeat)

    def render(self, candidate: Candidate, *, changes: Changes = ()) -> Source:
        """Write the program that calls the user's own with a candidate's values."""
        kind = "custom_function" if isinstance(self.program, UserFunction) else "custom_command"
        fragment = f"{_SKELETONS}.{kind}"
        regions = {
            "constants": self._constants(candidate, changes),
            "objective": functions(fragment),
        }
        title = f"Custom, {harmless(self.name)}: an objective with parameters found by RayGen."
        program = f"{_SKELETONS}.custom_program"
        return Source(fill(program, regions, title=title, used=[fragment]))

    def num_parameters(self, candidate: Candidate) -> int:
        """Zero: nobody knows."""
        return 0

    def preload(self) -> tuple[str, ...]:
        """The slow ones among the packages that the user's file imports."""
        if isinstance(self.program, UserCommand):
            return ()
        roots = {module.split(".")[0] for module in self.program.imports}
        late = [each.loaded_late for each in FRAMEWORKS.values() if each.package in roots]
        return (*(name for name in _PRELOADED if name in roots), *sum(late, ()))

    def load_arrays(self) -> dict[str, np.ndarray]:
        """No rows: the user's program reads its own."""
        import numpy as np  # `raygen check` has no use for it

        return {name: np.zeros(0) for name in ("x", "y", "x_test", "y_test")}

    def _constants(self, candidate: Candidate, changes: Changes) -> str:
        """Every value of the experiment, as literals."""
        values: dict[str, Any] = {"FOLDER": str(self.folder), "FILES": self.files}
        match self.program:
            case UserFunction(name=name, takes=takes):
                values |= {"FUNCTION": name, "TAKES": takes}
            case UserCommand() as command:
                values["COMMAND"] = command.words_for(candidate.values)
        reported = tuple(each.name for each in self.objectives if each.name != "seconds")
        values |= {"METRICS": reported, "SEED": self.seed, "EPOCHS": self.epochs}
        parameters = dict(candidate.values)
        schedule = [(epoch, dict(new)) for epoch, new in changes]
        lines = [assignment(name, value) for name, value in values.items()]
        lines.append(assignment("PARAMETERS", parameters, annotation="dict[str, Any]"))
        kind = "list[tuple[int, dict[str, Any]]]"
        lines.append(assignment("SCHEDULE", schedule, annotation=kind))
        return "\n".join(lines)
