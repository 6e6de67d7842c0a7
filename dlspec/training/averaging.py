"""Averaged weights (`ema`): a second copy of a model that follows it slowly.

The function stands by itself: the PyTorch backend copies its source into the files that it
writes.
"""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def follow(averaged: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move averaged weights towards those of the model after a step (from 0).

    The average begins with the weights after the first step, as PyTorch's `AveragedModel` does.
    Running statistics are averaged alike; whole numbers, which count batches, are copied.
    """
    slow: list[torch.Tensor] = [*averaged.parameters(), *averaged.buffers()]
    now: list[torch.Tensor] = [*model.parameters(), *model.buffers()]
    for old, new in zip(slow, now, strict=True):
        if step == 0 or not old.is_floating_point():
            old.copy_(new)
        else:
            old.lerp_(new, 1 - decay)
