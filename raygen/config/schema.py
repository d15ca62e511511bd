"""What may stand in a config file: its sections, and what they ask of each other.

The text under each key is its documentation: ``docs/config.md`` and the JSON Schema show it.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from raygen.config.model_section import Model
from raygen.config.origin import Origin
from raygen.config.rank_section import Rank
from raygen.config.resources_section import Environment, Resources
from raygen.config.search_section import Search
from raygen.config.section import Conflict, Section, Text, refuse_secret
from raygen.config.task_section import PRETRAINED_ONLY, Task
from raygen.uris import file_name


class Experiment(Section):
    """The whole config file."""

    name: str = ""
    """Name of the run and of its folder `runs/<name>/`. By default that of the data set,
    or of the file of the objective."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    """Every random choice follows from it."""
    framework: Literal["torch", "tensorflow"] = "torch"
    """What `model.py` is written for: PyTorch or Keras on TensorFlow."""
    task: Annotated[Task, Field(examples=["{name: ImageClassification, dataset: {name: digits}}"])]
    """What is to be learnt."""
    model: Model = Field(default_factory=Model)
    """What is searched."""
    search: Search = Field(default_factory=Search)
    """How candidates are found."""
    rank: Rank = Field(default_factory=Rank)
    """How the best are compared."""
    resources: Resources = Field(default_factory=Resources)
    """What each trial gets."""
    environment: Environment = Field(default_factory=Environment)
    """Packages that `raygen submit` has installed for the run."""
    output: Text = "model.py"
    """File the winner is written to."""
    storage: Annotated[Text, Field(examples=["s3://bucket/runs"])] | None = None
    """URI of a folder to which the run's folder is copied every 10 seconds, and the newest
    checkpoint of what is not over for at most a fifth of the time; fsspec must know it. Where this
    machine has no folder of the run, it is taken from there."""
    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def origin(self) -> Origin:
        """Where each key is written."""
        return self._origin

    def written_in(self, origin: Origin) -> Experiment:
        """Give the same experiment with another origin."""
        copy = self.model_copy()
        copy._origin = origin
        return copy

    @model_validator(mode="before")
    @classmethod
    def _skip_empty_sections(cls, given: Any) -> Any:
        """Take `search:` with nothing below it as not given."""
        sections = ("model", "search", "rank", "resources", "environment")
        if not isinstance(given, dict):
            return given
        return {
            key: value for key, value in given.items() if key not in sections or value is not None
        }

    @model_validator(mode="after")
    def _has_usable_names(self) -> Experiment:
        if not self.name:
            # the one way to fill a default that depends on another key of a frozen model
            object.__setattr__(self, "name", _name_of(self.task))
        if not re.fullmatch(r"\w[\w.-]{0,99}", self.name):
            must = "it must be at most 100 letters, digits, dots, dashes and underscores (a folder)"
            raise Conflict("name", f"{self.name[:40]!r} given", must)
        if not self.output.endswith(".py"):
            raise Conflict("output", f"{self.output!r} given", "it must end in .py")
        return self

    @model_validator(mode="after")
    def _has_rows_to_nest(self) -> Experiment:
        if self.rank.nested and self.task.dataset is None:
            must = "only a data set has rows that can be kept from a search"
            raise Conflict("rank.nested", f"true given, and a {self.task.name} task", must)
        return self

    @model_validator(mode="after")
    def _holds_no_secret(self) -> Experiment:
        refuse_secret("storage", self.storage)
        return self

    @model_validator(mode="after")
    def _has_a_model_for_its_task(self) -> Experiment:
        if self.model.pretrained is None:
            if self.task.name in PRETRAINED_ONLY:
                must = f"{self.task.name} must have a pretrained model"
                remedy = "write `pretrained:` with a folder or a name of the Hugging Face hub"
                raise Conflict("model.pretrained", "missing", must, remedy)
            return self
        if self.framework != "torch":
            must = "pretrained models are trained with torch"
            raise Conflict("framework", f"{self.framework} given", must, "remove it")
        if "max_epochs" not in self.search.model_fields_set:
            # as with the name: a default that depends on another key
            shorter = self.search.model_copy(update={"max_epochs": 3})
            object.__setattr__(self, "search", shorter)
        return self


def _name_of(task: Task) -> str:
    """Name a run by its data set or its program: ``data/fashion_mnist.npz`` -> fashion_mnist."""
    if task.files is not None:
        return "ranked"
    path = task.objective or _program_of(task.command)
    last = PurePath(path).stem
    if task.dataset is not None:
        last = (
            PurePath(file_name(task.dataset.path or "")).stem
            or (task.dataset.name or "").split("/")[-1]
        )
    return re.sub(r"[^\w.-]+", "-", last).strip("-.")[:100] or "run"


def _program_of(command: str | None) -> str:
    """The first word of a command that is the file of a program, else its first word."""
    words = [word.strip("'\"") for word in (command or "").split()] or [""]
    return next((word for word in words if PurePath(word).suffix in (".py", ".sh")), words[0])
