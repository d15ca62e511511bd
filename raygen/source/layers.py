"""The catalogue: one row is one layer, the same network in PyTorch and in Keras.

A row writes the numbers out in which the two frameworks' defaults differ (epsilon, momentum,
padding), so that both build the same function. To add a layer, add a row to ``LAYERS``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from raygen.source.shapes import Shape, ShapeError, require

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """What one value of a layer may be."""

    kind: type[int] | type[float] | type[str] | type[bool]
    default: Any = None
    """None: it must be given."""
    low: float | None = None
    high: float | None = None
    options: tuple[str, ...] = ()
    odd: bool = False

    def complaint(self, value: object) -> str:
        """What must hold and does not, in words; empty if the value is fine."""
        if self.options:
            return "" if value in self.options else f"must be one of {', '.join(self.options)}"
        whole = isinstance(value, int) and not isinstance(value, bool)
        if self.kind is bool:
            return "" if isinstance(value, bool) else "must be true or false"
        real = self.kind is float and isinstance(value, float) and math.isfinite(value)
        if not (whole or real):
            return "must be a whole number" if self.kind is int else "must be a number"
        assert isinstance(value, (int, float))
        if self.low is not None and value < self.low:
            return f"must be at least {self.low:g}"
        if self.high is not None and value > self.high:
            return f"must be at most {self.high:g}"
        return "must be odd" if self.odd and value % 2 == 0 else ""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One row of the catalogue; every rule takes the shape that comes in and the settings."""

    settings: Mapping[str, Setting] = field(default_factory=dict)
    output: Callable[[Shape, Settings], Shape] = lambda shape, _: shape
    """The shape that goes out; raises ShapeError where the layer cannot work."""
    weights: Callable[[Shape, Settings], int] = lambda _shape, _settings: 0
    """Number of trainable parameters."""
    torch: Callable[[Shape, Settings], list[str]]
    """Expressions of modules, to stand one after the other."""
    keras: Callable[[Shape, Settings], list[str]]
    """Expressions that take ``x``, to be assigned to ``x`` one after the other."""


def _units(low: int = 1, high: int = 65536) -> Setting:
    return Setting(int, low=low, high=high)


# --- conv ---------------------------------------------------------------------------------------


def _conv_output(shape: Shape, s: Settings) -> Shape:
    require(shape, "image", "sequence", layer="conv", remedy="put it before flatten, dense or pool")
    if shape.kind == "sequence":
        if s["stride"] != 1:
            raise ShapeError(f"conv on a sequence has stride {s['stride']}", must="it must be 1")
        return shape.with_channels(s["filters"])
    height, width, _ = shape.dims
    return Shape("image", (-(-height // s["stride"]), -(-width // s["stride"]), s["filters"]))


def _conv_weights(shape: Shape, s: Settings) -> int:
    area = s["kernel"] ** (2 if shape.kind == "image" else 1)
    return int((area * shape.channels + 1) * s["filters"])


def _conv_torch(shape: Shape, s: Settings) -> list[str]:
    pad = f", padding={s['kernel'] // 2}" if s["kernel"] > 1 else ""
    stride = f", stride={s['stride']}" if s["stride"] > 1 else ""
    kind = "nn.Conv2d" if shape.kind == "image" else "SequenceConv"
    return [f"{kind}({shape.channels}, {s['filters']}, {s['kernel']}{stride}{pad})"]


def _conv_keras(shape: Shape, s: Settings) -> list[str]:
    if shape.kind == "sequence":
        return [f'layers.Conv1D({s["filters"]}, {s["kernel"]}, padding="same")(x)']
    call = f"layers.Conv2D({s['filters']}, {s['kernel']}"
    if s["stride"] == 1:
        return [f'{call}, padding="same")(x)']
    # "same" pads a strided convolution on one side only, PyTorch on both
    pad = [f"layers.ZeroPadding2D({s['kernel'] // 2})(x)"] if s["kernel"] > 1 else []
    return [*pad, f"{call}, strides={s['stride']})(x)"]


# --- separable conv -----------------------------------------------------------------------------


def _separable_output(shape: Shape, s: Settings) -> Shape:
    require(shape, "image", layer="separable_conv")
    return shape.with_channels(s["filters"])


def _separable_torch(shape: Shape, s: Settings) -> list[str]:
    c, k = shape.channels, s["kernel"]
    depthwise = f"nn.Conv2d({c}, {c}, {k}, padding={k // 2}, groups={c}, bias=False)"
    return [depthwise, f"nn.Conv2d({c}, {s['filters']}, 1)"]


def _separable_keras(_shape: Shape, s: Settings) -> list[str]:
    depthwise = f'layers.DepthwiseConv2D({s["kernel"]}, padding="same", use_bias=False)(x)'
    return [depthwise, f"layers.Conv2D({s['filters']}, 1)(x)"]


# --- normalisation, activation, dropout ---------------------------------------------------------


def _norm_kind(shape: Shape, s: Settings) -> str:
    if s["kind"] == "auto":
        return "layer" if shape.kind == "sequence" else "batch"
    return str(s["kind"])


def _norm_output(shape: Shape, s: Settings) -> Shape:
    require(shape, "image", "sequence", "vector", layer="norm", remedy="put an embedding first")
    forbidden = {"image": "layer", "sequence": "batch"}.get(shape.kind)
    if _norm_kind(shape, s) == forbidden:
        raise ShapeError(f"norm of kind {forbidden} is given {shape}", must="use kind: auto")
    return shape


def _norm_torch(shape: Shape, s: Settings) -> list[str]:
    if _norm_kind(shape, s) == "layer":
        return [f"nn.LayerNorm({shape.channels}, eps=1e-5)"]
    rank = 2 if shape.kind == "image" else 1
    return [f"nn.BatchNorm{rank}d({shape.channels}, eps=1e-5, momentum=0.1)"]


def _norm_keras(shape: Shape, s: Settings) -> list[str]:
    if _norm_kind(shape, s) == "layer":
        return ["layers.LayerNormalization(epsilon=1e-5)(x)"]
    return ["layers.BatchNormalization(epsilon=1e-5, momentum=0.9)(x)"]


_TORCH_ACTIVATIONS = {
    "relu": "nn.ReLU()",
    "gelu": "nn.GELU()",
    "silu": "nn.SiLU()",
    "tanh": "nn.Tanh()",
    "elu": "nn.ELU()",
    "leaky_relu": "nn.LeakyReLU(0.01)",
}
_KERAS_ACTIVATIONS = {name: f'layers.Activation("{name}")(x)' for name in _TORCH_ACTIVATIONS}
_KERAS_ACTIVATIONS["leaky_relu"] = "layers.LeakyReLU(0.01)(x)"


# --- pooling ------------------------------------------------------------------------------------


def _pool_output(shape: Shape, s: Settings) -> Shape:
    require(shape, "image", layer="pool")
    height, width, channels = shape.dims
    if min(height, width) < s["size"]:
        raise ShapeError(
            f"pool of size {s['size']} is given {shape}",
            must="its height and width must be at least the size",
            remedy="use fewer pools or strides, or a larger dataset.image_size",
        )
    return Shape("image", (height // s["size"], width // s["size"], channels))


def _global_pool_output(shape: Shape, _s: Settings) -> Shape:
    require(shape, "image", "sequence", layer="global_pool")
    return Shape("vector", (shape.channels,))


def _global_pool_torch(shape: Shape, s: Settings) -> list[str]:
    if shape.kind == "image":
        return [f"nn.Adaptive{s['kind'].title()}Pool2d(1)", "nn.Flatten()"]
    return [f"Sequence{s['kind'].title()}()"]


def _global_pool_keras(shape: Shape, s: Settings) -> list[str]:
    kind = "Average" if s["kind"] == "avg" else "Max"
    return [f"layers.Global{kind}Pooling{2 if shape.kind == 'image' else 1}D()(x)"]


# --- dense, embedding, attention ----------------------------------------------------------------


def _dense_output(shape: Shape, s: Settings) -> Shape:
    require(shape, "vector", "sequence", layer="dense", remedy="put an embedding first")
    return shape.with_channels(s["units"])


def _embedding_output(shape: Shape, s: Settings) -> Shape:
    require(
        shape, "tokens", layer="embedding", remedy="it can only be the first layer of a text model"
    )
    return Shape("sequence", (shape.dims[0], s["width"]))


def _embedding_weights(shape: Shape, s: Settings) -> int:
    rows = s["vocabulary"] + (shape.dims[0] if s["positions"] else 0)
    return int(rows * s["width"])


def _embedding_torch(shape: Shape, s: Settings) -> list[str]:
    if s["positions"]:
        return [f"PositionedEmbedding({s['vocabulary']}, {s['width']}, {shape.dims[0]})"]
    return [f"Embedding({s['vocabulary']}, {s['width']})"]


def _embedding_keras(shape: Shape, s: Settings) -> list[str]:
    words = f"layers.Embedding({s['vocabulary']}, {s['width']})(x)"
    if not s["positions"]:
        return [words]
    return [f"{words} + layers.Embedding({shape.dims[0]}, {s['width']})(positions(x))"]


def _attention_output(shape: Shape, s: Settings) -> Shape:
    require(shape, "sequence", layer="attention", remedy="put an embedding first")
    if shape.channels % s["heads"]:
        raise ShapeError(
            f"attention with {s['heads']} heads is given {shape}",
            must="the channels must be a multiple of the heads",
        )
    return shape


LAYERS: dict[str, Layer] = {
    "conv": Layer(
        settings={
            "filters": _units(),
            "kernel": Setting(int, 3, low=1, high=31, odd=True),
            "stride": Setting(int, 1, low=1, high=8),
        },
        output=_conv_output,
        weights=_conv_weights,
        torch=_conv_torch,
        keras=_conv_keras,
    ),
    "separable_conv": Layer(
        settings={"filters": _units(), "kernel": Setting(int, 3, low=3, high=31, odd=True)},
        output=_separable_output,
        weights=lambda shape, s: (
            s["kernel"] ** 2 * shape.channels + (shape.channels + 1) * s["filters"]
        ),
        torch=_separable_torch,
        keras=_separable_keras,
    ),
    "norm": Layer(
        settings={"kind": Setting(str, "auto", options=("auto", "batch", "layer"))},
        output=_norm_output,
        weights=lambda shape, _: 2 * shape.channels,
        torch=_norm_torch,
        keras=_norm_keras,
    ),
    "activation": Layer(
        settings={"name": Setting(str, "relu", options=tuple(_TORCH_ACTIVATIONS))},
        torch=lambda _, s: [_TORCH_ACTIVATIONS[s["name"]]],
        keras=lambda _, s: [_KERAS_ACTIVATIONS[s["name"]]],
    ),
    "dropout": Layer(
        settings={"rate": Setting(float, low=0.0, high=0.95)},
        torch=lambda _, s: [f"nn.Dropout({s['rate']!r})"],
        keras=lambda _, s: [f"layers.Dropout({s['rate']!r})(x)"],
    ),
    "pool": Layer(
        settings={
            "kind": Setting(str, "max", options=("max", "avg")),
            "size": Setting(int, 2, low=2, high=16),
        },
        output=_pool_output,
        torch=lambda _, s: [f"nn.{s['kind'].title()}Pool2d({s['size']})"],
        keras=lambda _, s: [
            f"layers.{'Max' if s['kind'] == 'max' else 'Average'}Pooling2D({s['size']})(x)"
        ],
    ),
    "global_pool": Layer(
        settings={"kind": Setting(str, "avg", options=("avg", "max"))},
        output=_global_pool_output,
        torch=_global_pool_torch,
        keras=_global_pool_keras,
    ),
    "flatten": Layer(
        output=lambda shape, _: Shape("vector", (shape.size,)),
        torch=lambda _, _s: ["nn.Flatten()"],
        keras=lambda _, _s: ["layers.Flatten()(x)"],
    ),
    "dense": Layer(
        settings={"units": _units()},
        output=_dense_output,
        weights=lambda shape, s: (shape.channels + 1) * s["units"],
        torch=lambda shape, s: [f"nn.Linear({shape.channels}, {s['units']})"],
        keras=lambda _, s: [f"layers.Dense({s['units']})(x)"],
    ),
    "embedding": Layer(
        settings={
            "width": _units(),
            "positions": Setting(bool, False),
            # filled in from the data set; a row of its own for padding and for unknown tokens
            "vocabulary": Setting(int, 0, low=0),
        },
        output=_embedding_output,
        weights=_embedding_weights,
        torch=_embedding_torch,
        keras=_embedding_keras,
    ),
    "attention": Layer(
        settings={"heads": Setting(int, 4, low=1, high=64)},
        output=_attention_output,
        weights=lambda shape, _: 4 * shape.channels * (shape.channels + 1),
        torch=lambda shape, s: [f"SelfAttention({shape.channels}, {s['heads']}, batch_first=True)"],
        keras=lambda shape, s: [
            f"layers.MultiHeadAttention({s['heads']}, {shape.channels // s['heads']})(x, x)"
        ],
    ),
}
