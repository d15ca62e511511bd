"""Turns a candidate of a fine-tuning into the text of its model.py."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from raygen.config.space import Space
from raygen.data.loaders import first_lines
from raygen.data.spec import STRATIFIED, Deal
from raygen.errors import DataError, EnvironmentProblem
from raygen.finetune.inspect import FinetuningSpec
from raygen.finetune.ladder import check_memory
from raygen.finetune.memory import Place, estimate_memory, setup_of
from raygen.finetune.methods import METHODS, Method
from raygen.finetune.one_row import check_row
from raygen.finetune.placement import count_trained, method_lines
from raygen.finetune.render import (
    FOLDS,
    folds_module,
    loader_fragments,
    loader_name,
    render_program,
)
from raygen.finetune.tasks import FinetuningTask
from raygen.fragments import link
from raygen.source.blueprint import Changes
from raygen.source.candidate import Candidate, Source
from raygen.source.corners import check_candidates
from raygen.tasks.task import Objective
from raygen.uris import is_uri

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class PretrainedBlueprint:
    """All that the candidates of one fine-tuning have in common; an ``AnyBlueprint``."""

    name: str
    task_name: str
    task: FinetuningTask
    method_name: str
    objectives: tuple[Objective, ...]
    spec: FinetuningSpec
    space: Space
    seed: int
    folds: int
    epochs: int
    threads: int
    deal: Deal = STRATIFIED
    """How rows are dealt into folds."""
    strategy: str = "ddp"
    """How several workers share a model: ddp or fsdp."""
    place: Place | None = None
    """Where each process trains; None where nobody knows."""

    @property
    def method(self) -> Method:
        """The row of what is trained."""
        return METHODS[self.method_name]

    @property
    def metric(self) -> str:
        """What candidates are ranked by: the first objective."""
        return self.objectives[0].name

    @property
    def packages(self) -> tuple[str, ...]:
        """What must be installed to run a program."""
        return ("torch", "transformers", "peft")

    @property
    def data_sha(self) -> str:
        """Fingerprint of the data set and the pretrained model."""
        return self.spec.sha

    @property
    def data_text(self) -> str:
        """The text of the loader."""
        begins = first_lines(self.spec.uri)
        return link(loader_fragments(self), self.spec.constants, begins=begins)

    @property
    def reads_by(self) -> str:
        """What in there reads the rows on any node."""
        return loader_name(self) if is_uri(self.spec.uri) else ""

    @property
    def can_resume(self) -> bool:
        """Whether programs save checkpoints and go on from them."""
        return True

    @property
    def left_out(self) -> str:
        """What of the rows is not learnt."""
        return self.spec.cut

    def told(self) -> str:
        """The size of the data set, what is trained of which model, and what is cut."""
        spec = self.spec
        rows = f"{spec.num_rows} training and {spec.num_test_rows} test rows"
        classes = f", {len(spec.classes)} classes" if spec.classes else ""
        cut = f"; {self.left_out}" if self.left_out else ""
        what = f"{self.method.title} of a {spec.anatomy.kind} model"
        return f"{rows}{classes}; {what}{cut}{self._memory()}"

    def check(self) -> None:
        """Look at candidates of all kinds without training any.

        Raises:
            ConfigError: A target names no layer.
            DataError: The model cannot take what its preprocessor makes of a row.
            EnvironmentProblem: The method needs what this machine lacks, or more memory.
        """
        if self.method.needs_gpu:
            self._check_gpu()
        check_candidates(self.space, partial(method_lines, self))
        check_row(self)
        check_memory(self)

    def repeated(self, repeat: int) -> PretrainedBlueprint:
        """The same with the seed of a further training of the same candidates; 0 is the first."""
        return replace(self, seed=self.seed + repeat)

    def render(self, candidate: Candidate, *, changes: Changes = ()) -> Source:
        """Write the program of a candidate.

        Args:
            candidate: The method's settings, and what it is trained with at first.
            changes: Training settings that are others from a number of epochs on.

        Raises:
            ConfigError: A target names no layer.
        """
        return render_program(self, candidate, changes)

    def num_parameters(self, candidate: Candidate) -> int:
        """Trainable numbers of a candidate, counted on a model without weights."""
        return count_trained(self, candidate)

    def split(self, y: np.ndarray, fold: int) -> tuple[np.ndarray, np.ndarray]:
        """The training and the held-out rows of a fold."""
        dealt = {"FOLDS": self.folds * self.deal.repeats, "REPEATS": self.deal.repeats}
        known = {**self.spec.constants, **dealt, "SEED": self.seed}
        program: dict[str, Any] = {"__name__": "folds"}
        text = link(dict.fromkeys((FOLDS, folds_module(self))), known)
        exec(compile(text, "<folds>", "exec"), program)
        rows: tuple[np.ndarray, np.ndarray] = program["split"](y, fold)
        return rows

    def preload(self) -> tuple[str, ...]:
        """The modules that every model.py of the run imports, at once or when first used."""
        first = {each.name: each.domain.grid(2)[0] for each in self.space.parameters}
        source = self.render(Candidate(self.space.active(first)))
        return (*source.imports, self.spec.anatomy.module)

    def load_arrays(self) -> dict[str, np.ndarray]:
        """The rows as token numbers, made by the text that stands in the programs.

        Raises:
            DataError: They cannot be read.
        """
        program: dict[str, Any] = {"__name__": "loader"}
        exec(compile(self.data_text, f"<loader of {self.spec.uri}>", "exec"), program)
        try:
            arrays = program[loader_name(self)]()
        except (OSError, ValueError, KeyError, TypeError) as error:
            told = f"{type(error).__name__}: {error}"
            raise DataError(f"cannot be read ({told})", where=self.spec.uri) from error
        return dict(zip(("x", "y", "x_test", "y_test"), arrays, strict=True))

    def _memory(self) -> str:
        found, size = estimate_memory(self), setup_of(self).rows
        return f"; {found.told()} with micro-batches of {size}" if found else ""

    def _check_gpu(self) -> None:
        import importlib.util

        import torch

        if torch.cuda.is_available() and importlib.util.find_spec("bitsandbytes"):
            return
        lacks = "the package bitsandbytes" if torch.cuda.is_available() else "a CUDA GPU"
        raise EnvironmentProblem(
            f"{self.method_name} needs {lacks}",
            where=self.space.origin.where("method"),
            must="it keeps the weights in 4 bits, which only a CUDA GPU computes with",
            remedy="write method: lora",
        )
