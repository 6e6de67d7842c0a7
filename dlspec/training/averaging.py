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
    into = list(averaged.state_dict().values())
    new = list(model.state_dict().values())
    for old, value in zip(into, new, strict=True):
        if step == 0 or not old.is_floating_point():
            old.copy_(value)
    if step > 0:
        pairs = [(a, b) for a, b in zip(into, new, strict=True) if a.is_floating_point()]
        torch._foreach_lerp_([a for a, _ in pairs], [b for _, b in pairs], 1 - decay)
