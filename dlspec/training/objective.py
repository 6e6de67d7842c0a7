"""What is minimised and what is measured: a plan's loss and metrics on a model's results."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from dlspec.ir.graph import Program
from dlspec.ir.training import TopK, TrainPlan
from dlspec.layers.final import trains_on_logits
from dlspec.training import metrics

Batch = dict[str, torch.Tensor]

_LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "F.cross_entropy": F.cross_entropy,
    "F.binary_cross_entropy_with_logits": F.binary_cross_entropy_with_logits,
    "F.mse_loss": F.mse_loss,
}
_METRICS: dict[str, Callable[..., torch.Tensor]] = {
    "accuracy": metrics.accuracy,
    "top_k": metrics.top_k,
    "mae": metrics.mae,
    "mse": metrics.mse,
}
_FINAL: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "Softmax": partial(torch.softmax, dim=1),
    "Sigmoid": torch.sigmoid,
}


class Objective:
    """The loss and the metrics of a plan.

    names: of the figures, in the order in which `figures` gives them: `loss`, then the metrics.
    """

    def __init__(self, program: Program, plan: TrainPlan) -> None:
        graph = program.graphs[plan.model]
        self.plan = plan
        self.inputs = tuple(plan.feeds[port.name] for port in graph.inputs)
        on_logits = trains_on_logits(program, graph, plan.output, plan.loss)
        self.absorbed = plan.loss.from_logits if on_logits else None
        call = plan.loss.torch()
        self._loss = partial(_LOSSES[call.function], *call.args, **call.kwargs)
        self.names = ("loss", *(metric.kind_name() for metric in plan.metrics))

    def scores(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """What the loss compares with the target: logits where it knows the last activation."""
        inputs = [batch[field] for field in self.inputs]
        forward: Callable[..., Any] = model.logits if self.absorbed else model  # type: ignore[assignment]
        result = forward(*inputs)
        return (result[self.plan.output] if isinstance(result, dict) else result).float()

    def loss(self, scores: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The mean loss of the batch."""
        return self._loss(scores, self.target(scores, batch))

    def target(self, scores: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The target as the loss takes it.

        Class numbers [B] or [B, 1] for cross entropy; else numbers in the shape of the scores,
        so that [B] beside [B, 1] is never broadcast to [B, B].
        """
        target = batch[self.plan.target]
        if self.plan.loss.kind == "cross_entropy":
            shape = (scores.shape[0], *scores.shape[2:])
            return target.long().reshape(shape) if target.shape != scores.shape else target
        return target.to(scores.dtype).reshape(scores.shape)

    def figures(self, loss: torch.Tensor, scores: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Loss and metrics of a batch as sums over its examples, on the device."""
        scores = scores.detach()
        target = self.target(scores, batch)
        sums = [loss.detach() * len(scores)]
        for metric in self.plan.metrics:
            function = _METRICS[metric.kind_name()]
            if isinstance(metric, TopK):
                sums.append(function(scores, target, metric.k))
            elif metric.kind_name() == "accuracy":
                sums.append(function(scores, target))
            else:
                sums.append(function(self.output(scores), target))
        return torch.stack([figure.to(sum_type(scores.device)) for figure in sums])

    def output(self, scores: torch.Tensor) -> torch.Tensor:
        """The model's output itself, the absorbed activation included."""
        return _FINAL[self.absorbed](scores) if self.absorbed else scores

    def higher_is_better(self, name: str) -> bool:
        """Which end of a figure is good."""
        return any(m.kind_name() == name and m.higher_is_better for m in self.plan.metrics)


def sum_type(device: torch.device) -> torch.dtype:
    """The element type in which figures are summed: Apple's GPUs have no float64."""
    return torch.float32 if device.type == "mps" else torch.float64
