"""How the learning rate goes: each function gives the factor of the optimizer's own at a step.

Steps count from 0. Each function stands by itself: the PyTorch backend copies their
source into the files that it writes.
"""

from __future__ import annotations

import math


def one_cycle(step: int, steps: int, warmup: float) -> float:
    """Up from 1/25 to 1 in the first `warmup` of all steps, down to 1/250,000 (Smith 2018)."""
    start, final, peak = 1 / 25, 1 / 250_000, warmup * steps - 1
    if step <= peak and peak > 0:
        return 1 + (start - 1) * (1 + math.cos(math.pi * step / peak)) / 2
    down = (step - peak) / max(steps - 1 - peak, 1e-9)
    return final + (1 - final) * (1 + math.cos(math.pi * min(down, 1))) / 2


def cosine(step: int, steps: int, warmup: float, final: float) -> float:
    """A linear warm-up in the first `warmup` of all steps, then half a cosine to `final`."""
    rising = int(warmup * steps)
    if step < rising:
        return (step + 1) / (rising + 1)
    done = (step - rising) / (steps - rising)
    return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2


def step_decay(step: int, steps_per_epoch: int, period: int, gamma: float) -> float:
    """Times `gamma` after every `period` epochs."""
    return gamma ** (step // (steps_per_epoch * period))


def multi_step_decay(
    step: int, steps_per_epoch: int, milestones: tuple[int, ...], gamma: float
) -> float:
    """Times `gamma` after each of these epochs."""
    epoch = step // steps_per_epoch
    return gamma ** sum(epoch >= milestone for milestone in milestones)


def exponential(step: int, steps_per_epoch: int, gamma: float) -> float:
    """Times `gamma` after every epoch."""
    return gamma ** (step // steps_per_epoch)


def linear(step: int, steps: int, warmup: float, final: float) -> float:
    """A linear warm-up in the first `warmup` of all steps, then linearly to `final`."""
    rising = int(warmup * steps)
    if step < rising:
        return (step + 1) / (rising + 1)
    return 1 + (final - 1) * (step - rising) / (steps - rising)


def polynomial(step: int, steps: int, power: float) -> float:
    """The share of the steps that is left, to a power."""
    return (1 - step / steps) ** power


def plateau(losses: list[float], patience: int, factor: float) -> float:
    """Times `factor` whenever the lowest of the losses is `patience` epochs old.

    losses: one an epoch, lower is better; a metric where more is better comes with its sign
            turned.
    """
    lowest, since, rate = math.inf, 0, 1.0
    for loss in losses:
        since = 0 if loss < lowest else since + 1
        lowest = min(lowest, loss)
        if since >= patience:
            rate, since = rate * factor, 0
    return rate
