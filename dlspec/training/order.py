"""Which examples come when, and the random numbers of a step.

Functions of seed and position alone, so that a run can go on from any step. Each stands
by itself: the PyTorch backend copies their source into the files that it writes.
"""

from __future__ import annotations

import torch


def epoch_order(count: int, seed: int, epoch: int) -> torch.Tensor:
    """The order of the examples in an epoch (from 0): an int64 permutation of `count`."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    return torch.randperm(count, generator=generator)


def batches_per_epoch(count: int, batch_size: int) -> int:
    """The number of batches in an epoch: a smaller last one counts, a last one of 1 does not.

    BatchNorm has no variance in a batch of 1.
    """
    full, rest = divmod(count, batch_size)
    return full + (rest > 1 or full == 0)


def step_generator(seed: int, step: int) -> torch.Generator:
    """The source of randomness for the augmentation of a step (from 0), on the CPU."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step + 2**62) % 2**63)
