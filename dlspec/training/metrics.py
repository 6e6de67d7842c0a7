"""The figures of a split, as sums over batches that stay on the device.

A metric is its sum over all batches divided by the number of examples. Each function
stands by itself: the PyTorch backend copies their source into the files that it writes.
"""

from __future__ import annotations

import torch


def accuracy(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """How many examples are classified right.

    scores: [B, classes] beside class numbers [B], or logits of the target's size for yes or no.
    """
    if scores.ndim > 1 and scores.shape[1] > 1:
        return (scores.argmax(1) == target.view(-1)).sum()
    return ((scores > 0).view(-1) == (target > 0.5).view(-1)).sum()


def top_k(scores: torch.Tensor, target: torch.Tensor, k: int) -> torch.Tensor:
    """How many examples have the right class among the `k` highest scores [B, classes]."""
    likeliest = scores.topk(min(k, scores.shape[1]), dim=1).indices
    return (likeliest == target.view(-1, 1)).any(1).sum()


def mae(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Absolute errors: the mean of each example, summed over the batch."""
    error = (output - target.to(output.dtype).view_as(output)).abs()
    return error.flatten(1).mean(1).sum() if error.ndim > 1 else error.sum()


def mse(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Squared errors: the mean of each example, summed over the batch."""
    error = (output - target.to(output.dtype).view_as(output)).square()
    return error.flatten(1).mean(1).sum() if error.ndim > 1 else error.sum()
