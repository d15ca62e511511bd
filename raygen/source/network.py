"""The lines of ``build_model`` for a structure, in PyTorch and in Keras."""

from __future__ import annotations

from collections.abc import Sequence

from raygen.source.layers import LAYERS
from raygen.source.literals import WIDTH
from raygen.source.shapes import Shape
from raygen.source.structure import Node, Parallel, Residual, Step


def torch_lines(nodes: Sequence[Node], input_shape: Shape) -> list[str]:
    """``return nn.Sequential(...)`` with one line for each layer."""
    return _call("return nn.Sequential", _torch_modules(nodes), "")


def _torch_modules(nodes: Sequence[Node]) -> list[list[str]]:
    modules: list[list[str]] = []
    for node in nodes:
        match node:
            case Step():
                rule = LAYERS[node.layer].torch
                modules += [[expression] for expression in rule(node.input, node.settings)]
            case Residual(steps, shortcut):
                arguments = _torch_modules(steps)
                if shortcut is not None:
                    (expression,) = LAYERS[shortcut.layer].torch(shortcut.input, shortcut.settings)
                    arguments.append([f"shortcut={expression}"])
                modules.append(_call("Residual", arguments, ""))
            case Parallel(branches, _, output):
                arguments = [
                    _call("nn.Sequential", _torch_modules(branch), "") for branch in branches
                ]
                dim = 1 if output.kind == "image" else -1
                modules.append(_call("Parallel", [*arguments, [f"dim={dim}"]], ""))
    return modules


def _call(name: str, arguments: list[list[str]], tail: str) -> list[str]:
    """A call over several lines, each argument indented and followed by a comma."""
    lines = [f"{name}("]
    for argument in arguments:
        lines += [f"    {line}" for line in argument[:-1]]
        lines.append(f"    {argument[-1]},")
    return [*lines, f"){tail}"]


def keras_lines(nodes: Sequence[Node], input_shape: Shape) -> list[str]:
    """``x = layers...(x)`` for each layer, then the model."""
    dims = ", ".join(map(str, input_shape.dims)) + ("," if len(input_shape.dims) == 1 else "")
    dtype = ', dtype="int32"' if input_shape.kind == "tokens" else ""
    head = [f"inputs = keras.Input(({dims}){dtype})", "x = inputs"]
    return [*head, *_keras_statements(nodes, 1), "return keras.Model(inputs, x)"]


def _keras_statements(nodes: Sequence[Node], depth: int) -> list[str]:
    lines: list[str] = []
    for node in nodes:
        match node:
            case Step():
                lines += _keras_step(node)
            case Residual(steps, shortcut):
                kept = "shortcut" if depth == 1 else f"shortcut_{depth}"
                lines += [f"{kept} = x", *_keras_statements(steps, depth + 1)]
                if shortcut is not None:
                    (expression,) = LAYERS[shortcut.layer].keras(shortcut.input, shortcut.settings)
                    lines.append(f"{kept} = {expression.removesuffix('(x)')}({kept})")
                lines.append(f"x = layers.add([x, {kept}])")
            case Parallel(branches):
                entry = "entry" if depth == 1 else f"entry_{depth}"
                exits = "branches" if depth == 1 else f"branches_{depth}"
                lines += [f"{entry}, {exits} = x, []"]
                for branch in branches:
                    lines += [f"x = {entry}", *_keras_statements(branch, depth + 1)]
                    lines.append(f"{exits}.append(x)")
                lines.append(f"x = layers.concatenate({exits})")
    return lines


def _keras_step(node: Step) -> list[str]:
    lines = []
    for expression in LAYERS[node.layer].keras(node.input, node.settings):
        line = f"x = {expression}"
        if len(line) + 4 > WIDTH:  # a sum of two calls: break before the plus
            left, right = expression.split(" + ", 1)
            lines += ["x = (", f"    {left}", f"    + {right}", ")"]
        else:
            lines.append(line)
    return lines
