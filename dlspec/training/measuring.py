"""The figures of a whole split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import torch
from torch import nn

from dlspec.training.distributed import World
from dlspec.training.distributed_batch import counted, whole_batch
from dlspec.training.examples import Batch, Examples
from dlspec.training.objective import Objective, sum_type
from dlspec.training.scoring import ByClass, WholeSplit


class Measured(NamedTuple):
    """The figures of a split by name, and where so asked how each class did."""

    figures: dict[str, float]
    by_class: ByClass | None = None


def measure(
    models: Sequence[nn.Module],
    objective: Objective,
    examples: Examples,
    prepare: Callable[[Batch], Batch],
    batch_size: int,
    world: World,
    *,
    by_class: bool = False,
) -> Measured:
    """Losses and metrics of a split, the losses the means over its examples.

    Leaves the models in the mode they were in, and the random states alone.
    """
    numerics = examples.numerics
    device = numerics.device
    size = len(objective.losses) + objective.scoring.size
    totals = torch.zeros(size, dtype=sum_type(device), device=device)
    whole = WholeSplit(objective.scoring, by_class, device)
    modes = [model.training for model in models]
    for model in models:
        model.eval()
    devices = [device] if device.type == "cuda" else []
    with _without_gradients(objective), torch.random.fork_rng(devices), whole_batch(world):
        torch.default_generator.manual_seed(0)  # so that noise is the same each time
        if devices:
            torch.cuda.manual_seed(0)
        for batch in examples.in_order(batch_size, prepare, world):
            with numerics.forward():
                computed = objective.measured(models, batch)
            share, (first, *_) = world.share, computed
            totals += counted(world, objective.figures(computed, share.held))
            if first.scores is not None and first.target is not None:
                whole.add(first.scores.detach()[: share.counted], first.target[: share.counted])
    for model, training in zip(models, modes, strict=True):
        model.train(training)
    whole.of_all(world)
    seen = [examples.count] * len(objective.losses)
    found = objective.means(world.sum(totals), seen) | whole.figures()
    return Measured({n: found[n] for n in objective.measured_names}, whole.by_class)


def _without_gradients(objective: Objective) -> AbstractContextManager[object]:
    return torch.enable_grad() if objective.differentiates else torch.inference_mode()
