"""What differs between a PyTorch and a Keras model.py, as one row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from raygen.data.spec import Modality
from raygen.source.network import keras_lines, torch_lines
from raygen.source.shapes import Shape
from raygen.source.structure import Node

_SKELETONS = "raygen.source.skeletons"


@dataclass(frozen=True, kw_only=True)
class Framework:
    """Names of fragments and text for the regions of one skeleton."""

    title: str
    package: str
    """What must be installed."""
    loaded_late: tuple[str, ...]
    """Modules it imports when it is first used; warm workers import them ahead."""
    program: str
    blocks: str
    outputs: Mapping[str, str]
    """By what the task predicts, the fragment with its loss and predictions."""
    targets: Mapping[str, str]
    """By what the task predicts, the lines of ``train`` that make its statistics and targets."""
    lines: Callable[[Sequence[Node], Shape], list[str]]
    """The body of ``build_model``."""
    optimizers: Mapping[str, str]
    """By name, the body of ``build_optimizer``; ``{momentum}`` is filled in."""
    inputs: Mapping[Modality, str]
    """By modality, the body of ``to_inputs``."""


DECAYS = {
    "cosine": """\
done = (progress - warmup) / max(EPOCHS - warmup, 1e-9)
return float(peak * (1 + math.cos(math.pi * done)) / 2)""",
    "step": """\
done = (progress - warmup) / max(EPOCHS - warmup, 1e-9)
return float(peak * 0.1 ** int(3 * done))""",
    "constant": "return float(peak)",
}
"""By name, what follows the warm-up: to zero along a cosine, by ten at each third, or nothing."""

ROWS = {
    False: ("inputs = to_inputs(preprocess(x[rows], statistics))", ""),
    True: (
        "x_train = x[rows]",
        'augmented = augment(x_train, settings["augmentation"], rng)\n'
        "inputs = to_inputs(preprocess(augmented, statistics))",
    ),
}
"""Lines before the epochs and in each epoch, without and with augmentation."""

FRAMEWORKS: dict[str, Framework] = {
    "torch": Framework(
        title="PyTorch",
        package="torch",
        loaded_late=("torch._dynamo",),  # by the first optimizer: two seconds
        program=f"{_SKELETONS}.torch_program",
        blocks=f"{_SKELETONS}.torch_blocks",
        outputs={
            "classes": f"{_SKELETONS}.torch_classification",
            "values": f"{_SKELETONS}.torch_regression",
        },
        targets={
            "classes": (
                "statistics, targets = "
                "fit_preprocessing(x[rows]), torch.from_numpy(y[rows]).to(DEVICE)"
            ),
            "values": (
                "statistics = {**fit_preprocessing(x[rows]), **fit_targets(y[rows])}\n"
                "targets = to_targets(y[rows], statistics).to(DEVICE)"
            ),
        },
        lines=torch_lines,
        optimizers={
            "adamw": "return torch.optim.AdamW(model.parameters(), fused=True)",
            "adam": "return torch.optim.Adam(model.parameters(), fused=True)",
            "sgd": "return torch.optim.SGD(model.parameters(), momentum={momentum!r}, fused=True)",
        },
        inputs={
            "image": "return torch.from_numpy(x).permute(0, 3, 1, 2).to(DEVICE)",
            "table": "return torch.from_numpy(x).to(DEVICE)",
            "text": "return torch.from_numpy(x).to(DEVICE)",
        },
    ),
    "tensorflow": Framework(
        title="Keras",
        package="tensorflow",
        loaded_late=(),
        program=f"{_SKELETONS}.keras_program",
        blocks=f"{_SKELETONS}.keras_blocks",
        outputs={
            "classes": f"{_SKELETONS}.keras_classification",
            "values": f"{_SKELETONS}.keras_regression",
        },
        targets={
            "classes": (
                "statistics, targets = fit_preprocessing(x[rows]), tf.convert_to_tensor(y[rows])"
            ),
            "values": (
                "statistics = {**fit_preprocessing(x[rows]), **fit_targets(y[rows])}\n"
                "targets = to_targets(y[rows], statistics)"
            ),
        },
        lines=keras_lines,
        optimizers={
            "adamw": "optimizer = keras.optimizers.AdamW(epsilon=1e-8)",
            "adam": "optimizer = keras.optimizers.Adam(epsilon=1e-8)",
            "sgd": "optimizer = keras.optimizers.SGD(momentum={momentum!r})",
        },
        inputs=dict.fromkeys(("image", "table", "text"), "return tf.convert_to_tensor(x)"),
    ),
}
