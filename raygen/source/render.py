"""Turns a candidate into the text of its model.py: a skeleton with its marked regions replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from raygen.config.space import Space
from raygen.data import loaders
from raygen.data.loaders import (
    first_lines,
    inputs_fragment,
    load_arrays,
    loader_fragments,
    loader_text,
)
from raygen.data.spec import DataSpec
from raygen.fragments import Fragment, link
from raygen.source.blueprint import Changes
from raygen.source.candidate import Candidate, Source
from raygen.source.corners import check_candidates
from raygen.source.frameworks import DECAYS, FRAMEWORKS, ROWS, Framework
from raygen.source.literals import assignment
from raygen.source.schedule import SCHEDULED
from raygen.source.shapes import Shape
from raygen.source.skeleton import fill, functions, harmless
from raygen.source.structure import Node, build, count_parameters
from raygen.tasks.task import METRICS, Objective, Task
from raygen.uris import is_uri

if TYPE_CHECKING:
    import numpy as np

_FOLDS = "raygen.data.fragments.folds"
_METRICS = "raygen.tasks.fragments.metrics"


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """All that the networks of one run have in common; an ``AnyBlueprint``."""

    name: str
    framework: str
    task_name: str
    task: Task
    objectives: tuple[Objective, ...]
    spec: DataSpec
    space: Space
    seed: int
    folds: int
    epochs: int
    threads: int
    repeats: int = 1
    """How often the rows are dealt into folds."""

    @property
    def metric(self) -> str:
        """What candidates are ranked by: the first objective."""
        return self.objectives[0].name

    @cached_property
    def input_shape(self) -> Shape:
        """Of one row."""
        kind = {"image": "image", "table": "vector", "text": "tokens"}[self.spec.modality]
        return Shape(kind, self.spec.input_shape)  # type: ignore[arg-type]  # one of the four kinds

    def structure(self, candidate: Candidate) -> tuple[Node, ...]:
        """The layers of a candidate.

        Raises:
            SourceError: They cannot be built.
        """
        return build(
            self.space.layers,
            candidate.values,
            input_shape=self.input_shape,
            num_outputs=self.spec.num_outputs,
            vocabulary=self.spec.constants.get("VOCABULARY", 0),
            where=self.space.origin.where,
        )

    def num_parameters(self, candidate: Candidate) -> int:
        """Trainable numbers of a candidate.

        Raises:
            SourceError: Its layers cannot be built.
        """
        return count_parameters(self.structure(candidate))

    @property
    def packages(self) -> tuple[str, ...]:
        """What must be installed to run a program."""
        return (FRAMEWORKS[self.framework].package,)

    @property
    def data_sha(self) -> str:
        """Fingerprint of the data set."""
        return self.spec.sha

    @property
    def data_text(self) -> str:
        """The text of its loader."""
        return loader_text(self.spec)

    @property
    def reads_by(self) -> str:
        """What in there reads the rows on any node."""
        return "load_data" if is_uri(self.spec.uri) else ""

    @property
    def can_resume(self) -> bool:
        """Whether programs save checkpoints and go on from them."""
        return True

    @property
    def left_out(self) -> str:
        """What of the rows is not learnt."""
        return self.spec.left_out

    def told(self) -> str:
        """The size of the data set, and what is predicted, in a few words."""
        rows = f"{self.spec.num_rows} training and {self.spec.num_test_rows} test rows"
        outputs = f"{self.spec.num_classes} classes" if self.spec.classes else "a value"
        return f"{rows}, {outputs}" + (f"; {self.left_out}" if self.left_out else "")

    def check(self) -> None:
        """Follow the shapes of candidates of all kinds.

        Raises:
            SourceError: A candidate cannot be built.
        """
        check_candidates(self.space, self.structure)

    def repeated(self, repeat: int) -> Blueprint:
        """The same with the seed of a further training of the same candidates; 0 is the first."""
        return replace(self, seed=self.seed + repeat)

    def render(self, candidate: Candidate, *, changes: Changes = ()) -> Source:
        """Write the program of a candidate; see ``render``.

        Raises:
            SourceError: Its layers cannot be built.
        """
        return render(self, candidate, changes=changes)

    def load_arrays(self) -> dict[str, np.ndarray]:
        """The rows of the data set.

        Raises:
            DataError: They cannot be read.
        """
        return load_arrays(self.spec)

    def split(self, y: np.ndarray, fold: int) -> tuple[np.ndarray, np.ndarray]:
        """The training and the held-out rows of a fold."""
        dealt = {"FOLDS": self.folds * self.repeats, "REPEATS": self.repeats, "SEED": self.seed}
        # both have a split, and the last one counts; the first has what it calls
        text = link(dict.fromkeys((_FOLDS, folds_fragment(self))), {**self.spec.constants, **dealt})
        program: dict[str, Any] = {"__name__": "folds"}
        exec(compile(text, "<folds>", "exec"), program)
        rows: tuple[np.ndarray, np.ndarray] = program["split"](y, fold)
        return rows

    def preload(self) -> tuple[str, ...]:
        """The modules that every model.py of the run imports, at once or when first used."""
        first = {each.name: each.domain.grid(2)[0] for each in self.space.parameters}
        source = render(self, Candidate(self.space.active(first)))
        return (*source.imports, *FRAMEWORKS[self.framework].loaded_late)


def render(blueprint: Blueprint, candidate: Candidate, *, changes: Changes = ()) -> Source:
    """Write the program that trains and scores a candidate.

    Values enter as literals and layers by their row of the catalogue, so nothing that stands in a
    YAML can become code.

    Args:
        blueprint: Of the run.
        candidate: What the network is, and what it is trained with at first.
        changes: Training settings that are others from a number of epochs on.

    Raises:
        SourceError: The candidate's layers cannot be built.
    """
    framework = FRAMEWORKS[blueprint.framework]
    nodes = blueprint.structure(candidate)
    settings = blueprint.space.training_settings(candidate.values)
    parts = _Parts(blueprint, framework, settings, changes)
    network = framework.lines(nodes, blueprint.input_shape)
    layers = "\n".join(network)
    regions = {
        "constants": parts.constants(),
        "data": parts.data(),
        "preprocessing": parts.preprocessing(),
        "blocks": functions(
            framework.blocks, only=lambda name: re.search(rf"\b{name}\(", layers) is not None
        ),
        "layers": layers,
        "optimizer": framework.optimizers[str(settings["optimizer"])].format(**settings),
        "decay": DECAYS[str(settings["schedule"])],
        "outputs": functions(parts.outputs),
        "targets": framework.targets[blueprint.task.predicts],
        "inputs": framework.inputs[blueprint.spec.modality],
        "rows": ROWS[parts.augments][0],
        "augmentation": ROWS[parts.augments][1],
        "scores": parts.scores(),
        "metrics": functions(_METRICS, only=parts.metrics.__contains__),
    }
    return Source(parts.assemble(regions))


def folds_fragment(blueprint: Blueprint) -> str:
    """Name the module that deals the rows into folds."""
    spec = blueprint.spec
    return loaders.folds_fragment(spec.split, spec.constants, repeats=blueprint.repeats)


@dataclass(frozen=True)
class _Parts:
    """The fragments one program is put together from."""

    blueprint: Blueprint
    framework: Framework
    settings: Mapping[str, Any]
    changes: Changes

    @property
    def loader(self) -> tuple[str, ...]:
        """Fragments that read the data set."""
        return tuple(name for name in loader_fragments(self.blueprint.spec) if name != _FOLDS)

    @property
    def folds(self) -> str:
        """The fragment that deals the rows into folds."""
        return folds_fragment(self.blueprint)

    def data(self) -> str:
        """The text that reads the data set and deals it into folds."""
        begins = first_lines(self.blueprint.spec.uri)
        text = functions(*self.loader, self.folds, begins=begins)
        if self.folds == _FOLDS or not re.search(r"\bdeal\(", text):
            return text
        return "\n\n\n".join([text, functions(_FOLDS, only="deal".__eq__)])

    @property
    def inputs(self) -> str:
        """The fragment that preprocesses."""
        return inputs_fragment(self.blueprint.spec)

    @property
    def outputs(self) -> str:
        """The fragment with loss and predictions."""
        return self.framework.outputs[self.blueprint.task.predicts]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The scores that are printed."""
        wanted = [each.name for each in self.blueprint.objectives if each.name in METRICS]
        first, *others = (self.blueprint.task.scores(name) for name in wanted)
        return tuple(dict.fromkeys((*first, *(name for each in others for name in each))))

    @property
    def augments(self) -> bool:
        """Whether training rows are changed at random."""
        kinds = [
            each.get("augmentation", "none") for _, each in ((0, self.settings), *self.changes)
        ]
        return self.blueprint.spec.modality == "image" and set(kinds) != {"none"}

    def preprocessing(self) -> str:
        """The text that turns rows into inputs."""
        return functions(self.inputs, only=lambda name: self.augments or name != "augment")

    def constants(self) -> str:
        """Every value of the experiment, as literals."""
        blueprint, spec = self.blueprint, self.blueprint.spec
        wanted: dict[str, Any] = {"DATA": spec.uri}
        for module in (*self.loader, self.inputs, self.outputs):
            wanted |= Fragment.read(module).constants
        dealt = Fragment.read(self.folds).constants
        wanted |= {name: dealt[name] for name in dealt if name in spec.constants}
        given = dict(spec.constants) | {"CLASSES": list(spec.classes)}
        values = {name: given.get(name, sample) for name, sample in wanted.items()}
        values |= {
            "METRIC": blueprint.metric,
            "SEED": blueprint.seed,
            "FOLDS": blueprint.folds * blueprint.repeats,
            **({"REPEATS": blueprint.repeats} if "REPEATS" in dealt else {}),
            "EPOCHS": blueprint.epochs,
            "THREADS": blueprint.threads,
        }
        lines = [assignment(name, value) for name, value in values.items()]
        schedule = [(0, self.schedule(self.settings))]
        schedule += [(epoch, self.schedule(each)) for epoch, each in self.changes]
        lines.append(
            assignment("SCHEDULE", schedule, annotation="list[tuple[int, dict[str, Any]]]")
        )
        return "\n".join(lines)

    def schedule(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the settings that can change from epoch to epoch."""
        unused = set()
        if self.blueprint.task.predicts != "classes":
            unused.add("label_smoothing")
        if not self.augments:
            unused.add("augmentation")
        return {n: settings[n] for n in SCHEDULED if n in settings and n not in unused}

    def scores(self) -> str:
        """The ``return`` of ``evaluate``."""
        entries = ", ".join(f'"{name}": {name}(y, p)' for name in self.metrics)
        return f"return {{{entries}}}"

    def assemble(self, regions: Mapping[str, str]) -> str:
        """The skeleton with its regions replaced and its imports completed."""
        used = [*self.loader, _FOLDS, self.folds, self.inputs, self.outputs, _METRICS]
        return fill(self.framework.program, regions, title=self.title(), used=used)

    def title(self) -> str:
        """The first line of the docstring; free of anything that could end it."""
        words = re.sub(r"(?<!^)([A-Z])", r" \1", self.blueprint.task_name).capitalize()
        name = harmless(self.blueprint.name)
        return f"{words}, {name}: a {self.framework.title} network found by RayGen."
