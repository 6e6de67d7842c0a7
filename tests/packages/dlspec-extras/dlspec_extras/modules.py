"""The PyTorch module of Maxout, imported by emitted programs alone."""

from __future__ import annotations

from torch import Tensor, nn


class MaxoutModule(nn.Linear):
    """A linear layer whose results are the greatest of each `pieces` in a row."""

    def __init__(self, features: int, units: int, pieces: int) -> None:
        super().__init__(features, units * pieces)
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).unflatten(-1, (-1, self.pieces)).amax(-1)
