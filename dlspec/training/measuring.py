"""The figures of a whole split."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from dlspec.training.distributed import World
from dlspec.training.distributed_batch import counted, whole_batch
from dlspec.training.examples import Batch, Examples
from dlspec.training.objective import Objective, sum_type


def measure(
    model: nn.Module,
    objective: Objective,
    examples: Examples,
    prepare: Callable[[Batch], Batch],
    batch_size: int,
    world: World,
) -> dict[str, float]:
    """Loss and metrics of a split, each the mean over its examples, by name.

    Leaves the model in the mode it was in, and the random states alone.
    """
    numerics = examples.numerics
    totals = torch.zeros(
        len(objective.names), dtype=sum_type(numerics.device), device=numerics.device
    )
    was_training = model.training
    model.eval()
    devices = [numerics.device] if numerics.device.type == "cuda" else []
    with torch.inference_mode(), torch.random.fork_rng(devices), whole_batch(world):
        torch.default_generator.manual_seed(0)  # so that noise is the same each time
        if devices:
            torch.cuda.manual_seed(0)
        for batch in examples.in_order(batch_size, prepare, world):
            with numerics.forward():
                computed = objective.measured(model, batch)
            totals += counted(world, objective.figures(computed, len(next(iter(batch.values())))))
    model.train(was_training)
    means = (world.sum(totals) / examples.count).tolist()
    return dict(zip(objective.names, means, strict=True))
