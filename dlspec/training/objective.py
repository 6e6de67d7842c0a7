"""What is minimised and what is measured: a plan's losses and metrics on a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from dlspec.backends.torch import emit_functions, load_functions
from dlspec.ir.graph import Program
from dlspec.ir.losstargets import Comparison, comparison
from dlspec.ir.mixing import mixing
from dlspec.ir.objective import PenaltyNode
from dlspec.ir.training import StepPlan, TrainPlan
from dlspec.layers.final import scores_before
from dlspec.training.scoring import Scoring

Batch = dict[str, torch.Tensor]

_FINAL: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "Softmax": partial(torch.softmax, dim=-1),
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
    losses:  the names of what is minimised: `loss`, or the names of the steps of several.
    names:   of the figures in training: the losses, then the metrics that are counted there.
    measured_names: of the figures of a split, of which there are more.
    size:    how many sums training keeps.
    """

    def __init__(self, program: Program, plan: TrainPlan) -> None:
        self.plan = plan
        self.mixes = mixing(program.data[plan.data]) is not None
        self._functions = load_functions(emit_functions(program, plan))
        self._measured = [
            f"{s.objective}.evaluation"
            if f"{s.objective}.evaluation" in self._functions
            else s.objective
            for s in plan.each_batch
        ]
        self.absorbed = scores_before(program, plan)
        self.scoring = Scoring(plan.metrics, _compared(program, plan, self._measured), self.output)
        steps = plan.each_batch
        self.losses = plan.losses
        first = program.objectives[steps[0].objective]
        self.scored = len(steps) == 1 and first.value("scores") is not None
        running = [m.kind for m in plan.metrics if m.running] if self.scored else []
        self.names = (*self.losses, *running)
        self.measured_names = (*self.losses, *self.scoring.names)
        self.size = len(self.losses) + (self.scoring.size if self.scored else 0)
        self.differentiates = any(
            isinstance(node, PenaltyNode)
            for key in self._measured
            for node in program.objectives[key].nodes
        )
        """Whether gradients are a part of what is minimised, so that measuring takes them."""

    def function(self, step: StepPlan) -> Callable[..., Any]:
        """What computes the value that a step minimises, of models and a batch."""
        return self._functions[step.objective]

    def compute(
        self,
        step: StepPlan,
        models: Sequence[nn.Module],
        batch: Batch,
        function: Callable[..., Any] | None = None,
    ) -> Computed:
        """What a step minimises. Metrics compare with the class of the greatest share.

        function: stands in for the step's own, as a compiled one does.
        """
        computed = _computed((function or self.function(step))(*models, batch))
        if self.mixes and computed.target is not None and computed.target.ndim == 2:
            return computed._replace(target=computed.target.argmax(1))
        return computed

    def measured(self, models: Sequence[nn.Module], batch: Batch) -> list[Computed]:
        """The same of every step for models that are not being trained, without auxiliaries."""
        return [_computed(self._functions[key](*models, batch)) for key in self._measured]

    def figures(self, computed: Sequence[Computed], count: int) -> torch.Tensor:
        """Losses and metrics of a batch of `count` as sums over its examples, on the device."""
        sums = [one.loss.detach() * count for one in computed]
        scores, target = computed[0].scores, computed[0].target
        if scores is not None and target is not None:
            sums += self.scoring.sums(scores, target, count)
        return torch.stack([figure.to(sum_type(figure.device)) for figure in sums])

    def means(self, totals: torch.Tensor, seen: Sequence[int]) -> dict[str, float]:
        """The figures of summed batches by name. seen: the examples that each step worked on."""
        totals = totals.cpu()
        losses = zip(self.losses, totals.tolist(), seen, strict=False)
        found = {name: total / max(count, 1) for name, total, count in losses}
        rest = totals[len(self.losses) :]
        return found | (self.scoring.figures(rest, seen[0]) if len(rest) else {})

    def output(self, scores: torch.Tensor) -> torch.Tensor:
        """The model's output itself, the absorbed activation included."""
        return _FINAL[self.absorbed](scores) if self.absorbed else scores

    def higher_is_better(self, name: str) -> bool:
        """Which end of a figure is good."""
        return any(m.kind == name and m.higher_is_better for m in self.plan.metrics)


def _compared(program: Program, plan: TrainPlan, keys: Sequence[str]) -> Comparison:
    """What the metrics of a plan compare, in the first of the objectives that are measured."""
    objective = program.objectives[keys[0]]
    scores, target = objective.value("scores"), objective.value("target")
    if scores is None or target is None:
        return Comparison("values")
    return comparison(plan.loss, objective.types[scores], objective.types[target])


def _computed(result: Any) -> Computed:
    return Computed(*result) if isinstance(result, tuple) else Computed(result)


def sum_type(device: torch.device) -> torch.dtype:
    """The element type in which figures are summed: Apple's GPUs have no float64."""
    return torch.float32 if device.type == "mps" else torch.float64
