"""What is minimised and what is measured: a plan's losses and metrics on a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from dlspec.backends.torch import emit_functions, load_functions
from dlspec.ir.graph import Program
from dlspec.ir.metrics import AnyMetric, TopK
from dlspec.ir.mixing import mixing
from dlspec.ir.training import StepPlan, TrainPlan
from dlspec.layers.final import final_activation, scores_before
from dlspec.training import metrics

Batch = dict[str, torch.Tensor]

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


class Computed(NamedTuple):
    """What is minimised of a batch, and where metrics are measured what they compare."""

    loss: torch.Tensor
    scores: torch.Tensor | None = None
    target: torch.Tensor | None = None


class Objective:
    """The losses and the metrics of a plan, computed by the functions that `compile` prints.

    mixes: whether the data mixes training examples, whose targets are then shares of classes.
    names: of the figures, in the order in which `figures` gives them: `loss`, then the metrics;
           or the names of the steps where there are several.
    """

    def __init__(self, program: Program, plan: TrainPlan) -> None:
        self.plan = plan
        self.mixes = mixing(program.data[plan.data]) is not None
        self._functions = load_functions(emit_functions(program, plan))
        self._measured = self._functions.get(f"{plan.each_batch[0].objective}.evaluation")
        final = final_activation(program, program.graphs[plan.model], plan.output)
        taken = scores_before(plan)
        self.absorbed = taken if final is not None and final.kind == taken else None
        steps = plan.each_batch
        first = ("loss",) if len(steps) == 1 else tuple(step.name for step in steps)
        self.names = (*first, *(metric.kind_name() for metric in plan.metrics))

    @property
    def single(self) -> bool:
        """Whether the plan minimises one thing, so that it can be measured on a split."""
        return len(self.plan.each_batch) == 1 and len(self.plan.models) == 1

    def compute(self, step: StepPlan, models: Sequence[nn.Module], batch: Batch) -> Computed:
        """What a step minimises. Metrics compare with the class of the greatest share."""
        computed = _computed(self._functions[step.objective](*models, batch))
        if self.mixes and computed.target is not None and computed.target.ndim == 2:
            return computed._replace(target=computed.target.argmax(1))
        return computed

    def measured(self, model: nn.Module, batch: Batch) -> Computed:
        """The same for a model that is not being trained, whose auxiliaries are left out."""
        function = self._measured or self._functions[self.plan.each_batch[0].objective]
        return _computed(function(model, batch))

    def figures(self, computed: Computed, count: int) -> torch.Tensor:
        """Loss and metrics of a batch of `count` as sums over its examples, on the device."""
        sums = [computed.loss.detach() * count]
        for metric in self.plan.metrics:
            assert computed.scores is not None and computed.target is not None
            sums.append(self._figure(metric, computed.scores.detach(), computed.target))
        return torch.stack([figure.to(sum_type(figure.device)) for figure in sums])

    def _figure(
        self, metric: AnyMetric, scores: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor:
        function = _METRICS[metric.kind_name()]
        if isinstance(metric, TopK):
            return function(scores, target, metric.k)
        return function(scores if metric.higher_is_better else self.output(scores), target)

    def output(self, scores: torch.Tensor) -> torch.Tensor:
        """The model's output itself, the absorbed activation included."""
        return _FINAL[self.absorbed](scores) if self.absorbed else scores

    def higher_is_better(self, name: str) -> bool:
        """Which end of a figure is good."""
        return any(m.kind_name() == name and m.higher_is_better for m in self.plan.metrics)


def _computed(result: Any) -> Computed:
    return Computed(*result) if isinstance(result, tuple) else Computed(result)


def sum_type(device: torch.device) -> torch.dtype:
    """The element type in which figures are summed: Apple's GPUs have no float64."""
    return torch.float32 if device.type == "mps" else torch.float64
