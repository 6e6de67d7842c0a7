"""All that one training run works with, from the first step to the last."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from dlspec.data import Dataset
from dlspec.data.preparing import EvaluationFunction, TrainingFunction
from dlspec.ir.datacheck import training_order
from dlspec.ir.training import StepPlan, TrainPlan
from dlspec.layers import snake_case
from dlspec.training.device import Numerics
from dlspec.training.distributed import World
from dlspec.training.distributed_models import Computing
from dlspec.training.examples import Examples
from dlspec.training.folder import RunFolder
from dlspec.training.objective import Objective
from dlspec.training.order import batches_per_epoch, epoch_order
from dlspec.training.settings import TrainOptions
from dlspec.training.state import State
from dlspec.training.stopping import why_stopped
from dlspec.training.ways import Speed


@dataclass
class Training:
    """All that a run works with. Only `state`, `orders`, `speed` and in a replay `checked` change.

    checked: the loss of every step is read before the weights change. On the CPU that costs
             nothing; elsewhere it would make each step wait for the device.
    """

    plan: TrainPlan
    options: TrainOptions
    model_name: str
    dataset: Dataset
    examples: Examples
    validation: Examples | None
    prepare_batch: TrainingFunction
    prepare_for_evaluation: EvaluationFunction
    objective: Objective
    numerics: Numerics
    state: State
    folder: RunFolder
    steps: int
    steps_per_epoch: int
    facts: dict[str, Any]
    checked: bool
    world: World
    computing: Computing
    speed: Speed
    notes: list[str] = field(default_factory=list)
    orders: dict[int, torch.Tensor] = field(default_factory=dict)
    """The order of the examples in the epoch at hand, and in the next where that is begun."""

    @property
    def epochs(self) -> int:
        return math.ceil(self.steps / self.steps_per_epoch)

    @property
    def stopped(self) -> str | None:
        """Why the run ends before its last step, as a sentence; None where it does not."""
        rule = self.plan.early_stopping
        if rule is None or self.state.seen:
            return None
        higher = self.objective.higher_is_better(rule.metric.removeprefix("val_"))
        return why_stopped(rule, [e[rule.metric] for e in self.state.history], higher)

    @property
    def over(self) -> bool:
        """Whether the run has come to its end."""
        return self.state.step >= self.steps or self.stopped is not None

    @property
    def title(self) -> str:
        """`LeNet on Digits`, or `LeNet on mnist` where `--data` stood in for the spec's."""
        replaced = self.options.data.partition(":")[0] if self.options.data else None
        return f"{self.model_name} on {replaced or self.plan.data}"

    @contextmanager
    def only_updated(self, step: StepPlan) -> Iterator[None]:
        """Within, gradients reach the weights of the models that a step updates, and no others."""
        others = [
            weight
            for name, model in zip(self.state.names, self.state.models, strict=True)
            if name not in map(snake_case, step.updates)
            for weight in model.parameters()
            if weight.requires_grad
        ]
        for weight in others:
            weight.requires_grad_(False)
        try:
            yield
        finally:
            for weight in others:
                weight.requires_grad_(True)

    @property
    def deciding_figure(self) -> str | None:
        """The figure of the validation split that says which weights are best."""
        if self.validation is None:
            return None
        names = self.objective.scoring.names
        if not names and len(self.objective.losses) > 1:
            return None
        return names[0] if names else "loss"

    @property
    def decisions(self) -> list[float]:
        """The deciding figure of every epoch so far, with its sign turned where more is better."""
        name = self.deciding_figure
        if name is None:
            return []
        sign = -1 if self.objective.higher_is_better(name) else 1
        return [sign * entry[f"val_{name}"] for entry in self.state.history]

    def numbers(self, step: int) -> torch.Tensor:
        """Which examples a step (from 0) has, in one batch or several, where they are gathered."""
        epoch, position = divmod(step, self.steps_per_epoch)
        size = self.plan.examples_per_step
        if epoch not in self.orders:
            self.orders = {e: order for e, order in self.orders.items() if e == epoch - 1}
            order = epoch_order(self.examples.count, self.plan.seed, epoch)
            whole = batches_per_epoch(self.examples.count, self.plan.batch_size)
            self.orders[epoch] = order[: whole * self.plan.batch_size].to(self.examples.home)
        return self.orders[epoch][position * size : (position + 1) * size]

    def batches(self, step: int) -> Iterator[torch.Tensor]:
        """Which examples each batch has from a step on, to the end of the run."""
        for number in range(step, self.steps):
            yield from self.numbers(number).split(self.plan.batch_size)

    def gathered(self, indices: torch.Tensor) -> torch.Tensor:
        """Those of a batch's examples that this process prepares: its share.

        Where chance has a part, it is the whole batch, as any number of processes does it.
        """
        return indices if self.random else indices[self.world.part(len(indices)).rows]

    def shared(self, batch: dict[str, torch.Tensor], total: int) -> dict[str, torch.Tensor]:
        """Of a batch of `total` examples as it was prepared, this process's share."""
        if self.world.alone or not self.random:
            return batch
        return {name: field[self.world.part(total).rows] for name, field in batch.items()}

    @cached_property
    def random(self) -> bool:
        """Whether chance has a part in how training examples are prepared."""
        return any(stage.random for stage in training_order(self.dataset.plan))

    def checkpoint_facts(self) -> dict[str, Any]:
        """What a checkpoint says of the run that it belongs to."""
        return {name: self.facts[name] for name in ("spec_sha256", "machine", "examples")}
