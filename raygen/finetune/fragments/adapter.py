"""What is a bottleneck adapter, and how does one get behind each block of a model?"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Adapter(nn.Module):  # type: ignore[misc]  # torch has no types
    """A small network beside a block's output, at first without any effect (Houlsby 2019)."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(size, width), nn.Linear(width, size)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add what the bottleneck makes of it."""
        changed: torch.Tensor = x + self.up(nn.functional.gelu(self.down(x)))
        return changed


def add_adapters(model: nn.Module, blocks: str, size: int, width: int, head: list[str]) -> None:
    """Freeze a model but its head, and put an adapter behind each of its blocks."""
    for name, weight in model.named_parameters():
        weight.requires_grad_(name.startswith(tuple(head)))
    for block in model.get_submodule(blocks).children():
        block.add_module("adapter", Adapter(size, width))
        block.register_forward_hook(adapt)


def adapt(block: nn.Module, inputs: Any, outputs: Any) -> Any:
    """Send a block's output through its adapter."""
    if isinstance(outputs, tuple):
        return (block.adapter(outputs[0]), *outputs[1:])
    return block.adapter(outputs)
