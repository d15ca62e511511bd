"""Which layers a candidate has: the space's layer list with every ``$parameter`` filled in.

The list may hold, beside layers, ``repeat: n, of: [...]``, ``choose: name, from: {name: [...]}``,
``residual: [...]`` and ``parallel: [[...], [...]]``; each may hold the others.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from raygen.config.references import reference_of
from raygen.errors import SourceError
from raygen.source.layers import LAYERS
from raygen.source.shapes import Shape, ShapeError

Where = Callable[[str], str]
_CONTAINERS = {
    "repeat": {"repeat", "of"},
    "choose": {"choose", "from"},
    "residual": {"residual"},
    "parallel": {"parallel"},
}
_MOST_STEPS = 2000


@dataclass(frozen=True)
class Step:
    """One layer with its settings and the shapes on both sides of it."""

    layer: str
    settings: Mapping[str, Any]
    input: Shape
    output: Shape

    @property
    def num_parameters(self) -> int:
        """Trainable numbers."""
        return LAYERS[self.layer].weights(self.input, self.settings)


@dataclass(frozen=True)
class Residual:
    """Layers whose output is added to their input, or to a projection of it."""

    steps: tuple[Node, ...]
    shortcut: Step | None
    input: Shape
    output: Shape

    @property
    def num_parameters(self) -> int:
        """Trainable numbers."""
        return count_parameters(self.steps) + (self.shortcut.num_parameters if self.shortcut else 0)


@dataclass(frozen=True)
class Parallel:
    """Branches that all see the same input and whose channels are joined."""

    branches: tuple[tuple[Node, ...], ...]
    input: Shape
    output: Shape

    @property
    def num_parameters(self) -> int:
        """Trainable numbers."""
        return sum(map(count_parameters, self.branches))


Node = Step | Residual | Parallel


def build(
    layers: Sequence[Any],
    values: Mapping[str, Any],
    *,
    input_shape: Shape,
    num_outputs: int,
    vocabulary: int = 0,
    where: Where = str,
) -> tuple[Node, ...]:
    """Fill in a candidate's values and follow the shapes to the head.

    Args:
        layers: The ``layers`` of a space as written in YAML.
        values: Parameter name to value.
        input_shape: Of one row.
        num_outputs: Width of the last dense layer, which is added here.
        vocabulary: Rows of an embedding, for text.
        where: From a path such as ``layers[2].conv.filters`` to file, line and key.

    Raises:
        SourceError: A layer is unknown, a value is out of its range, or a shape cannot work.
    """
    builder = _Builder(values, vocabulary, where)
    nodes, shape = builder.sequence(layers, input_shape, "layers")
    if shape.kind not in ("vector", "image"):
        raise SourceError(
            f"the last layer gives {shape}",
            where=where(f"layers[{len(layers) - 1}]"),
            must="a network ends in a vector",
            remedy="add `- global_pool: {kind: max}` at the end",
        )
    head, _ = builder.sequence([{"dense": {"units": num_outputs}}], shape, "head")
    return (*nodes, *head)


def count_parameters(nodes: Sequence[Node]) -> int:
    """Number of trainable parameters."""
    return sum(node.num_parameters for node in nodes)


@dataclass
class _Builder:
    values: Mapping[str, Any]
    vocabulary: int
    where: Where
    num_steps: int = field(default=0)

    def sequence(self, layers: object, shape: Shape, path: str) -> tuple[tuple[Node, ...], Shape]:
        """Build a list of layers one after the other."""
        if not isinstance(layers, Sequence) or isinstance(layers, str):
            raise self.error(f"{layers!r} is not a list of layers", path)
        nodes: list[Node] = []
        for index, entry in enumerate(layers):
            built, shape = self.entry(entry, shape, f"{path}[{index}]")
            nodes.extend(built)
        return tuple(nodes), shape

    def entry(self, entry: object, shape: Shape, path: str) -> tuple[tuple[Node, ...], Shape]:
        """Build one entry of a list: a layer or a container."""
        if isinstance(entry, str):
            entry = {entry: None}
        if not isinstance(entry, Mapping) or not entry:
            raise self.error(f"{entry!r} is not a layer", path, must="write `- dense: {units: 64}`")
        kind = next((name for name in _CONTAINERS if name in entry), None)
        if kind is None:
            if len(entry) > 1:
                raise self.error(
                    f"one entry holds {', '.join(map(str, entry))}",
                    path,
                    must="each layer is an entry of its own, with its own dash",
                )
            name, settings = next(iter(entry.items()))
            return self.layer(name, settings, shape, f"{path}.{name}")
        if set(entry) != _CONTAINERS[kind]:
            wanted = " and ".join(sorted(_CONTAINERS[kind]))
            raise self.error(
                f"{kind} is given {', '.join(map(str, entry))}",
                path,
                must=f"it has the keys {wanted}",
            )
        build: Callable[[Mapping[str, Any], Shape, str], tuple[tuple[Node, ...], Shape]]
        build = getattr(self, f"_{kind}")
        return build(entry, shape, path)

    def _repeat(
        self, entry: Mapping[str, Any], shape: Shape, path: str
    ) -> tuple[tuple[Node, ...], Shape]:
        times = self.resolve(entry["repeat"])
        if not isinstance(times, int) or isinstance(times, bool) or not 0 <= times <= _MOST_STEPS:
            raise self.error(
                f"repeat is {times!r}", f"{path}.repeat", must="it must be a whole number >= 0"
            )
        nodes: list[Node] = []
        for _ in range(times):
            self.count(path)
            built, shape = self.sequence(entry["of"], shape, f"{path}.of")
            nodes.extend(built)
        return tuple(nodes), shape

    def _choose(
        self, entry: Mapping[str, Any], shape: Shape, path: str
    ) -> tuple[tuple[Node, ...], Shape]:
        chosen, blocks = self.resolve(entry["choose"]), entry["from"]
        if not isinstance(blocks, Mapping) or chosen not in list(blocks):
            known = ", ".join(map(str, blocks)) if isinstance(blocks, Mapping) else repr(blocks)
            raise self.error(
                f"choose is {chosen!r}", f"{path}.choose", must=f"it must be a key of from: {known}"
            )
        return self.sequence(blocks[chosen], shape, f"{path}.from.{chosen}")

    def _residual(
        self, entry: Mapping[str, Any], shape: Shape, path: str
    ) -> tuple[tuple[Node, ...], Shape]:
        nodes, out = self.sequence(entry["residual"], shape, f"{path}.residual")
        return (Residual(nodes, self.projection(shape, out, path), shape, out),), out

    def _parallel(
        self, entry: Mapping[str, Any], shape: Shape, path: str
    ) -> tuple[tuple[Node, ...], Shape]:
        branches = entry["parallel"]
        if not isinstance(branches, Sequence) or isinstance(branches, str):
            raise self.error(f"{branches!r} is not a list of branches", f"{path}.parallel")
        built = [
            self.sequence(branch, shape, f"{path}.parallel[{index}]")
            for index, branch in enumerate(branches)
        ]
        outs = [out for _, out in built]
        if not outs or len({(out.kind, out.dims[:-1]) for out in outs}) != 1:
            told = " and ".join(map(str, outs)) or "nothing"
            raise self.error(
                f"the branches give {told}",
                f"{path}.parallel",
                must="all but their channels must be equal",
            )
        joined = outs[0].with_channels(sum(out.channels for out in outs))
        return (Parallel(tuple(nodes for nodes, _ in built), shape, joined),), joined

    def projection(self, shape: Shape, out: Shape, path: str) -> Step | None:
        """The layer that brings a residual's input to the shape of its output."""
        if shape == out:
            return None
        if shape.kind == out.kind == "image":
            stride = -(-shape.dims[0] // out.dims[0])
            settings = {"filters": out.channels, "kernel": 1, "stride": stride}
            step = Step("conv", settings, shape, LAYERS["conv"].output(shape, settings))
        elif shape.kind == out.kind and shape.kind in ("vector", "sequence"):
            step = Step("dense", {"units": out.channels}, shape, shape.with_channels(out.channels))
        else:
            step = Step("dense", {}, shape, shape)
        if step.output != out:
            raise self.error(
                f"the branch turns {shape} into {out}",
                f"{path}.residual",
                must="it must be possible to add them",
            )
        return step

    def layer(
        self, name: object, settings: object, shape: Shape, path: str
    ) -> tuple[tuple[Node, ...], Shape]:
        """Build one layer; a dense layer on an image flattens it first."""
        if not isinstance(name, str) or name not in LAYERS:
            near = difflib.get_close_matches(str(name), [*LAYERS, *_CONTAINERS], n=1)
            raise self.error(
                f"there is no layer {name!r}",
                path,
                must=f"did you mean {near[0]}?" if near else f"known are {', '.join(LAYERS)}",
            )
        self.count(path)
        before: tuple[Node, ...] = ()
        if name == "dense" and shape.kind == "image":
            before, shape = self.layer("flatten", {}, shape, path)
        resolved = self.settings(name, settings, path)
        if name == "embedding":
            resolved["vocabulary"] = self.vocabulary
        try:
            out = LAYERS[name].output(shape, resolved)
        except ShapeError as error:
            raise SourceError(
                error.problem + self.told(),
                where=self.where(path),
                must=error.must,
                remedy=error.remedy,
            ) from None
        return (*before, Step(name, resolved, shape, out)), out

    def count(self, path: str) -> None:
        """Refuse a network, or a repeat around nothing, that would never be built."""
        self.num_steps += 1
        if self.num_steps > _MOST_STEPS:
            raise self.error(f"the network has more than {_MOST_STEPS} layers", path)

    def settings(self, name: str, given: object, path: str) -> dict[str, Any]:
        """The layer's settings, references filled in, defaults added and every value checked."""
        known = {key: rule for key, rule in LAYERS[name].settings.items() if key != "vocabulary"}
        if given is None:
            given = {}
        if not isinstance(given, Mapping):
            if not known:
                raise self.error(f"{name} is given {given!r}", path, must="it has no settings")
            given = {next(iter(known)): given}
        for key in given:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = (
                    f"did you mean {near[0]}?"
                    if near
                    else f"known are {', '.join(known) or 'none'}"
                )
                raise self.error(f"{name} has no setting {key!r}", f"{path}.{key}", must=hint)
        resolved = {}
        for key, rule in known.items():
            value = self.resolve(given[key]) if key in given else rule.default
            if value is None:
                raise self.error(
                    f"{name} lacks {key}", path, must=f"write `{name}: {{{key}: ...}}`"
                )
            if complaint := rule.complaint(value):
                raise self.error(f"{key} is {value!r}", f"{path}.{key}", must=complaint)
            resolved[key] = float(value) if rule.kind is float else value
        return resolved

    def resolve(self, value: Any) -> Any:
        """The value itself, or that of the parameter it refers to."""
        reference = reference_of(value)
        if reference is None or reference.name not in self.values:
            return value
        return reference.resolve(self.values)

    def told(self) -> str:
        """The candidate's values, for an error that only some candidates meet."""
        if not self.values:
            return ""
        return " with " + ", ".join(f"{name}={value}" for name, value in self.values.items())

    def error(self, problem: str, path: str, *, must: str = "") -> SourceError:
        """An error that knows its place in the YAML."""
        return SourceError(problem, where=self.where(path), must=must)
