"""What keeps the factors of AdaLoRA apart from each other?"""

from __future__ import annotations

import torch
from torch import nn


def orthogonality(model: nn.Module) -> torch.Tensor:
    """How far the factors are from orthogonal, which AdaLoRA adds to the loss (Zhang 2023, eq. 4).

    peft does so too, but only to a loss that is computed by the model.
    """
    factors = [w for name, w in model.named_parameters() if ".lora_A." in name]
    factors += [w.T for name, w in model.named_parameters() if ".lora_B." in name]
    far = [(f @ f.T - torch.eye(len(f), device=f.device)).norm() for f in factors]
    return torch.stack(far).mean()
