"""Where a value that is not finite came from: the layer that made the first one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from dlspec.ir.training import StepPlan
from dlspec.training.distributed_weights import here
from dlspec.training.objective import Objective

Batch = dict[str, torch.Tensor]

ADVICE = "a lower learning rate, `gradient_clip = 1` or `precision = float32` may help"


def explain(models: Sequence[nn.Module], objective: Objective, step: StepPlan, batch: Batch) -> str:
    """One clause that says what was not finite first in this batch: data, weight, layer or loss.

    The models must stand as they did before the step. Runs one more forward pass.
    """
    for name, field in batch.items():
        if not _finite(field):
            return f"the data's field `{name}` holds a value that is not finite"
    for model in models:
        for name, weight in model.named_parameters():
            if not _finite(weight):
                return f"the weight `{name}` stopped being finite in the update before"
    return _first_layer(models, objective, step, batch)


def weight_that_is_not_finite(model: nn.Module) -> str | None:
    """The first weight with a value that is not finite. One wait for the device."""
    weights = dict(model.named_parameters())
    parts = [here(weight.detach()) for weight in weights.values()]
    total = torch.stack([part.float().abs().amax() for part in parts if part.numel()])
    if bool(torch.isfinite(total).all()):
        return None
    return next((name for name, weight in weights.items() if not _finite(weight)), None)


def _first_layer(
    models: Sequence[nn.Module], objective: Objective, step: StepPlan, batch: Batch
) -> str:
    found: list[str] = []

    def before(path: str, inputs: tuple[Any, ...]) -> None:
        if not found and not all(_finite(x) for x in inputs):
            found.append(f"a value that flows into `{path}` was the first that is not finite")

    def after(path: str, output: Any) -> None:
        if not found and not _finite(output):
            found.append(f"`{path}` gave the first value that is not finite")

    handles = [
        handle
        for model in models
        for path, module in model.named_modules()
        if path and not list(module.children())
        for handle in (
            module.register_forward_pre_hook(lambda _, inputs, path=path: before(path, inputs)),
            module.register_forward_hook(lambda _, __, output, path=path: after(path, output)),
        )
    ]
    try:
        computed = objective.compute(step, models, batch)
    finally:
        for handle in handles:
            handle.remove()
    if found:
        return found[0]
    if computed.scores is not None and not _finite(computed.scores):
        return "the model's output was the first value that is not finite"
    what = f"the loss `{objective.plan.loss.kind}`" if objective.plan.loss else "what is minimised"
    return f"every layer was finite, {what} was not"


def _finite(value: Any) -> bool:
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return True
    return bool(torch.isfinite(here(value)).all())
