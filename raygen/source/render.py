"""Turns a candidate into the text of its model.py: a skeleton with its marked regions replaced."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from raygen.config.space import Space
from raygen.data.loaders import inputs_fragment, loader_fragments
from raygen.data.spec import DataSpec
from raygen.fragments import Fragment, imports_of, merge_imports, read_text
from raygen.source.candidate import Candidate, Source
from raygen.source.frameworks import DECAYS, FRAMEWORKS, ROWS, Framework
from raygen.source.literals import assignment
from raygen.source.shapes import Shape
from raygen.source.structure import Node, build
from raygen.tasks.task import Task

_REGION = re.compile(r"^( *)# region (\w+)\n(.*?)^\1# endregion\n", re.DOTALL | re.MULTILINE)
_FOLDS = "raygen.data.fragments.folds"
_METRICS = "raygen.tasks.fragments.metrics"


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """All that the candidates of one run have in common."""

    name: str
    framework: str
    task_name: str
    task: Task
    metric: str
    spec: DataSpec
    space: Space
    seed: int
    folds: int
    epochs: int
    threads: int

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

    def preload(self) -> tuple[str, ...]:
        """The modules that every model.py of the run imports, at once or when first used."""
        first = {each.name: each.domain.grid(2)[0] for each in self.space.parameters}
        source = render(self, Candidate(self.space.active(first)))
        return (*source.imports, *FRAMEWORKS[self.framework].loaded_late)


def render(blueprint: Blueprint, candidate: Candidate) -> Source:
    """Write the program that trains and scores a candidate.

    Values enter as literals and layers by their row of the catalogue, so nothing that stands in a
    YAML can become code.

    Raises:
        SourceError: The candidate's layers cannot be built.
    """
    framework = FRAMEWORKS[blueprint.framework]
    nodes = blueprint.structure(candidate)
    settings = blueprint.space.training_settings(candidate.values)
    parts = _Parts(blueprint, framework, settings)
    network = framework.lines(nodes, blueprint.input_shape)
    layers = "\n".join(network)
    regions = {
        "constants": parts.constants(),
        "data": parts.functions(*parts.loader, _FOLDS),
        "preprocessing": parts.preprocessing(),
        "blocks": parts.functions(
            framework.blocks, only=lambda name: re.search(rf"\b{name}\(", layers) is not None
        ),
        "layers": layers,
        "optimizer": framework.optimizers[str(settings["optimizer"])].format(**settings),
        "decay": DECAYS[str(settings["schedule"])],
        "outputs": parts.functions(parts.outputs),
        "targets": framework.targets[blueprint.task.predicts],
        "inputs": framework.inputs[blueprint.spec.modality],
        "rows": ROWS[parts.augments][0],
        "augmentation": ROWS[parts.augments][1],
        "scores": parts.scores(),
        "metrics": parts.functions(_METRICS, only=parts.metrics.__contains__),
    }
    return Source(parts.assemble(regions))


@dataclass(frozen=True)
class _Parts:
    """The fragments one program is put together from."""

    blueprint: Blueprint
    framework: Framework
    settings: Mapping[str, Any]

    @property
    def loader(self) -> tuple[str, ...]:
        """Fragments that read the data set."""
        return tuple(name for name in loader_fragments(self.blueprint.spec) if name != _FOLDS)

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
        return self.blueprint.task.scores(self.blueprint.metric)

    @property
    def augments(self) -> bool:
        """Whether training rows are changed at random."""
        return self.blueprint.spec.modality == "image" and self.settings["augmentation"] != "none"

    def functions(self, *modules: str, only: Callable[[str], bool] = lambda _: True) -> str:
        """The text of the modules' functions."""
        texts = [
            text
            for module in modules
            for name, text in Fragment.read(module).functions.items()
            if only(name)
        ]
        return "\n\n\n".join(texts)

    def preprocessing(self) -> str:
        """The text that turns rows into inputs."""
        return self.functions(self.inputs, only=lambda name: self.augments or name != "augment")

    def constants(self) -> str:
        """Every value of the experiment, as literals."""
        blueprint, spec = self.blueprint, self.blueprint.spec
        wanted: dict[str, Any] = {"DATA": spec.uri}
        for module in (*self.loader, self.inputs, self.outputs):
            wanted |= Fragment.read(module).constants
        given = dict(spec.constants) | {"CLASSES": list(spec.classes)}
        values = {name: given.get(name, sample) for name, sample in wanted.items()}
        values |= {
            "METRIC": blueprint.metric,
            "SEED": blueprint.seed,
            "FOLDS": blueprint.folds,
            "EPOCHS": blueprint.epochs,
            "THREADS": blueprint.threads,
        }
        lines = [assignment(name, value) for name, value in values.items()]
        schedule = [(0, self.schedule())]
        lines.append(
            assignment("SCHEDULE", schedule, annotation="list[tuple[int, dict[str, Any]]]")
        )
        return "\n".join(lines)

    def schedule(self) -> dict[str, Any]:
        """The training settings that can change from epoch to epoch."""
        names = ["learning_rate", "warmup_epochs", "weight_decay", "batch_size"]
        if self.blueprint.task.predicts == "classes":
            names.append("label_smoothing")
        if self.augments:
            names.append("augmentation")
        return {name: self.settings[name] for name in names}

    def scores(self) -> str:
        """The ``return`` of ``evaluate``."""
        entries = ", ".join(f'"{name}": {name}(y, p)' for name in self.metrics)
        return f"return {{{entries}}}"

    def assemble(self, regions: Mapping[str, str]) -> str:
        """The skeleton with its regions replaced and its imports completed."""
        text = read_text(self.framework.program)
        tree = ast.parse(text)
        used = [*self.loader, _FOLDS, self.inputs, self.outputs, _METRICS]
        lines = [line for name in used for line in Fragment.read(name).imports]
        imports = merge_imports([*imports_of(tree), *lines])
        environment, body = _around_imports(text, tree)
        if environment:
            imports = imports.replace("\n\n", f"\n\n{environment}\n\n", 1)
        body = _REGION.sub(lambda found: _indented(regions[found[2]], found[1]), body)
        docstring = ast.get_docstring(tree, clean=False)
        assert docstring is not None
        usage = docstring.split("\n", 1)[1]
        head = f'"""{self.title()}\n{usage}"""\n\nfrom __future__ import annotations\n\n{imports}\n'
        return re.sub(r"\n{4,}", "\n\n\n", head + body)

    def title(self) -> str:
        """The first line of the docstring; free of anything that could end it."""
        words = re.sub(r"(?<!^)([A-Z])", r" \1", self.blueprint.task_name).capitalize()
        name = re.sub(r"[^\w .,+-]", "_", self.blueprint.name)
        return f"{words}, {name}: a {self.framework.title} network found by RayGen."


def _indented(text: str, indent: str) -> str:
    return "".join(f"{indent}{line}\n" if line else "\n" for line in text.splitlines())


def _around_imports(text: str, tree: ast.Module) -> tuple[str, str]:
    """What stands between the imports, such as ``os.environ[...] = ...``, and what follows them."""
    lines = text.splitlines(keepends=True)
    nodes = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    gaps = ["".join(lines[a.end_lineno : b.lineno - 1]) for a, b in itertools.pairwise(nodes)]
    return "".join(gaps).strip(), "".join(lines[nodes[-1].end_lineno :])
