"""Copies the weights of a generated PyTorch network into the generated Keras network beside it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

_TWINS: dict[str, str] = {
    "Linear": "Dense",
    "Conv2d": "Conv2D",
    "DepthwiseConv2d": "DepthwiseConv2D",
    "SequenceConv": "Conv1D",
    "BatchNorm1d": "BatchNormalization",
    "BatchNorm2d": "BatchNormalization",
    "LayerNorm": "LayerNormalization",
    "Embedding": "Embedding",
    "SelfAttention": "MultiHeadAttention",
}
"""PyTorch class to Keras class."""


def randomize(model: nn.Module, seed: int) -> None:
    """Move every number of a network a little, so that none is left at 0 or 1 by chance."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            elif tensor.is_floating_point():
                tensor.add_(torch.randn(tensor.shape, generator=generator) * 0.05)


def copy_weights(torch_model: nn.Module, keras_model: Any, example: torch.Tensor) -> None:
    """Give the Keras network the weights of the PyTorch network.

    Both files create their layers in the same order, so the n-th layer of a class is the twin of
    the n-th layer of the other class. ``example`` is a batch that tells the shapes of the images
    that are flattened.
    """
    twins = _keras_layers(keras_model)
    for module, order in _torch_layers(torch_model, example):
        layer = next(twins[_TWINS[_class_of(module)]])
        layer.set_weights(_convert(module, order))
    for kind, rest in twins.items():
        assert next(rest, None) is None, f"Keras has a {kind} more than PyTorch"


def _keras_layers(model: Any) -> dict[str, Iterator[Any]]:
    """Layers with weights by class, in the order of their creation, which their names count."""
    by_class = defaultdict(list)
    for layer in model.layers:
        if layer.weights:
            by_class[type(layer).__name__].append(layer)

    def number(layer: Any) -> int:
        found = re.search(r"_(\d+)$", layer.name)
        return int(found[1]) if found else 0

    return {kind: iter(sorted(found, key=number)) for kind, found in by_class.items()}


def _torch_layers(
    model: nn.Module, example: torch.Tensor
) -> Iterator[tuple[nn.Module, np.ndarray | None]]:
    """Layers with weights; with each the order of its input numbers if they are a flat image."""
    shapes: dict[nn.Module, torch.Size] = {}
    for module in model.modules():
        module.register_forward_pre_hook(lambda m, given: shapes.update({m: given[0].shape}))
    model(example)
    order: np.ndarray | None = None
    inside: set[nn.Module] = set()
    for module in model.modules():
        if isinstance(module, nn.Flatten):
            _, channels, height, width = shapes[module]
            places = np.arange(channels * height * width).reshape(channels, height, width)
            order = places.transpose(1, 2, 0).ravel()
        elif _class_of(module) in _TWINS and module not in inside:
            inside.update(module.modules())
            yield module, order
            order = None if isinstance(module, nn.Linear) else order


def _class_of(module: nn.Module) -> str:
    if isinstance(module, nn.Conv2d) and module.bias is None:
        return "DepthwiseConv2d"
    return type(module).__name__


def _convert(module: nn.Module, order: np.ndarray | None) -> list[np.ndarray]:
    """The weights in the order and the layout of the Keras layer."""
    state = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    match _class_of(module):
        case "Linear":
            weight = state["weight"] if order is None else state["weight"][:, order]
            return [weight.T, state["bias"]]
        case "Conv2d":
            return [state["weight"].transpose(2, 3, 1, 0), state["bias"]]
        case "DepthwiseConv2d":
            return [state["weight"].transpose(2, 3, 0, 1)]
        case "SequenceConv":
            return [state["weight"].transpose(2, 1, 0), state["bias"]]
        case "BatchNorm1d" | "BatchNorm2d" | "LayerNorm":
            names = ("weight", "bias", "running_mean", "running_var")
            found = [state[name] for name in names if name in state]
            return found if order is None else [values[order] for values in found]
        case "SelfAttention":
            return _convert_attention(state, module.num_heads)
        case _:
            return [state["weight"]]


def _convert_attention(state: dict[str, np.ndarray], heads: int) -> list[np.ndarray]:
    """PyTorch packs query, key and value into one matrix; Keras splits each by heads."""
    channels = state["out_proj.bias"].size
    weights = []
    packed = zip(
        np.split(state["in_proj_weight"], 3), np.split(state["in_proj_bias"], 3), strict=True
    )
    for weight, bias in packed:
        weights += [weight.T.reshape(channels, heads, -1), bias.reshape(heads, -1)]
    out = state["out_proj.weight"].T.reshape(heads, -1, channels)
    return [*weights, out, state["out_proj.bias"]]
