"""Regularization: the slope of a penalty on weights, added to their gradients.

Added there, it costs one sweep over the weights and no graph of its own. Weights of one axis,
biases and the scales of normalisations, are left alone. Each function stands by itself: the
PyTorch backend copies their source into the files that it writes.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


@torch.no_grad()
def add_l2(weights: Iterable[nn.Parameter], factor: float) -> None:
    """Add to the gradients that of `factor` times the sum of all squares."""
    for weight in weights:
        if weight.grad is not None and weight.ndim > 1:
            weight.grad.add_(weight, alpha=2 * factor)


@torch.no_grad()
def add_l1(weights: Iterable[nn.Parameter], factor: float) -> None:
    """Add to the gradients that of `factor` times the sum of all sizes."""
    for weight in weights:
        if weight.grad is not None and weight.ndim > 1:
            weight.grad.add_(weight.sign(), alpha=factor)
