"""Which settings of the training loop may a space fix or tune, and to which values?

A parameter named like one of them tunes it; ``training: {optimizer: sgd}`` fixes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raygen.config.domain import Choice, Domain, Float, Value, is_number, is_whole


@dataclass(frozen=True)
class TrainingSetting:
    """One setting: its default and what it may be."""

    default: Value
    meaning: str
    options: tuple[str, ...] = ()
    """Allowed texts; empty for a number."""
    low: float = 0.0
    high: float = float("inf")
    whole: bool = False
    above_low: bool = False
    """Whether ``low`` itself is not allowed."""
    switch: bool = False
    """Whether it is true or false instead of a number."""

    def allows(self, value: object) -> bool:
        """Tell whether the setting may have this value."""
        if self.options:
            return isinstance(value, str) and value in self.options
        if self.switch:
            return isinstance(value, bool)
        if not (is_whole(value) if self.whole else is_number(value)):
            return False
        assert isinstance(value, (int, float)), "is_number said so"
        return self.low <= value <= self.high and not (self.above_low and value == self.low)

    def allows_all(self, domain: Domain, factor: float = 1) -> bool:
        """Tell whether the setting may have every value of a domain, times a factor."""
        if self.whole and (isinstance(domain, Float) or factor != int(factor)):
            return False
        ends = domain.options if isinstance(domain, Choice) else (domain.low, domain.high)
        if factor == 1:
            return all(self.allows(value) for value in ends)
        return all(is_number(value) and self.allows(value * factor) for value in ends)

    @property
    def must(self) -> str:
        """What the setting may be, in words."""
        if self.options:
            return "one of " + ", ".join(self.options)
        if self.switch:
            return "true or false"
        kind = "a whole number" if self.whole else "a number"
        if self.high == float("inf"):
            return f"{kind} {'above' if self.above_low else 'of at least'} {self.low:g}"
        return f"{kind} from {self.low:g} to {self.high:g}"


TRAINING_SETTINGS: Mapping[str, TrainingSetting] = {
    "optimizer": TrainingSetting(
        "adamw", "How the weights are updated.", options=("adamw", "adam", "sgd")
    ),
    "learning_rate": TrainingSetting(
        1e-3, "Step size of the optimizer at its highest.", above_low=True
    ),
    "schedule": TrainingSetting(
        "cosine",
        "How the learning rate falls after the warm-up.",
        options=("cosine", "step", "constant"),
    ),
    "warmup_epochs": TrainingSetting(1.0, "Epochs in which the learning rate rises from 0."),
    "weight_decay": TrainingSetting(1e-2, "How strongly weights are pulled towards 0."),
    "momentum": TrainingSetting(0.9, "Momentum of sgd; the others ignore it.", high=0.999),
    "batch_size": TrainingSetting(64, "Rows of one training step.", low=1, whole=True),
    "label_smoothing": TrainingSetting(
        0.0, "Share of the target spread over all classes.", high=0.5
    ),
    "augmentation": TrainingSetting(
        "none",
        "Random changes of training images; images only.",
        options=("none", "shift", "shift_flip"),
    ),
}
"""Every training setting by name, in the order in which a ``model.py`` lists them."""


FINETUNE_SETTINGS: Mapping[str, TrainingSetting] = {
    "learning_rate": TrainingSetting(
        5e-4,
        "Step size of AdamW at its highest; the default depends on the method.",
        above_low=True,
    ),
    "schedule": TrainingSetting(
        "linear",
        "How the learning rate falls after the warm-up.",
        options=("linear", "cosine", "constant"),
    ),
    "warmup_epochs": TrainingSetting(0.2, "Epochs in which the learning rate rises from 0."),
    "weight_decay": TrainingSetting(1e-2, "How strongly weights are pulled towards 0."),
    "batch_size": TrainingSetting(
        32, "Rows of one training step, of all processes together.", low=1, whole=True
    ),
    "label_smoothing": TrainingSetting(
        0.0, "Share of the target spread over all classes; classification only.", high=0.5
    ),
    "dropout": TrainingSetting(
        -1.0,
        "Share of activations left out in the pretrained model; -1: as it says.",
        low=-1,
        high=0.9,
    ),
    "max_grad_norm": TrainingSetting(1.0, "Longer gradients are cut to this norm.", above_low=True),
    "micro_batch": TrainingSetting(
        32,
        "Rows that go through the model at a time, on each process; if it is not named, no more "
        "than fit into the memory.",
        low=1,
        whole=True,
    ),
    "precision": TrainingSetting(
        "auto",
        "Numbers that activations are computed in; auto: bf16 where the GPU, or the CPU, has it.",
        options=("auto", "fp32", "bf16"),
    ),
    "checkpointing": TrainingSetting(
        False, "Compute activations again in the backward pass, to save memory.", switch=True
    ),
    "compile": TrainingSetting(False, "Compile the model by torch.compile.", switch=True),
}
"""Settings of the training of a pretrained model."""


def training_defaults() -> dict[str, Value]:
    """Give every training setting its default."""
    return {name: setting.default for name, setting in TRAINING_SETTINGS.items()}
