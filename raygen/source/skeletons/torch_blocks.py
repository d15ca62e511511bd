"""Modules that a generated PyTorch network may need beside those of ``torch.nn``."""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

import torch
from torch import nn


class Residual(nn.Module):
    """Adds what its layers make of x to x, or to a projection of x where their shapes differ."""

    def __init__(self, *layers: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.shortcut = shortcut or nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Keep the shape of the branch."""
        branch: torch.Tensor = self.layers(x)
        return branch + self.shortcut(x)


class Parallel(nn.Module):
    """Gives x to every branch and joins their channels."""

    def __init__(self, *branches: nn.Module, dim: int) -> None:
        super().__init__()
        self.branches, self.dim = nn.ModuleList(branches), dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Join along ``dim``."""
        return torch.cat([branch(x) for branch in self.branches], dim=self.dim)


class Embedding(nn.Embedding):
    """A vector for each token, small at first so that training soon outweighs the random start."""

    def reset_parameters(self) -> None:
        """Draw between -0.05 and 0.05."""
        nn.init.uniform_(self.weight, -0.05, 0.05)


class PositionedEmbedding(nn.Module):
    """A vector for each token plus a learned vector for each position, all small at first."""

    def __init__(self, vocabulary: int, width: int, length: int) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        for table in (self.words, self.positions):
            nn.init.uniform_(table.weight, -0.05, 0.05)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """(rows, length) to (rows, length, width)."""
        places = torch.arange(ids.shape[1], device=ids.device)
        words: torch.Tensor = self.words(ids)
        return words + self.positions(places)


class SequenceConv(nn.Conv1d):
    """A convolution along the length of (rows, length, channels)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Keep the layout."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class SequenceAvg(nn.Module):
    """The mean over the length of (rows, length, channels)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """To (rows, channels)."""
        return x.mean(dim=1)


class SequenceMax(nn.Module):
    """The maximum over the length of (rows, length, channels)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """To (rows, channels)."""
        return x.amax(dim=1)


class SelfAttention(nn.MultiheadAttention):
    """Every position of (rows, length, channels) looks at every other."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Keep the shape."""
        return super().forward(x, x, x, need_weights=False)[0]
