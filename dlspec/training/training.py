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
from dlspec.training.distributed_batch import counted
from dlspec.training.distributed_models import Computing
from dlspec.training.examples import Examples
from dlspec.training.folder import RunFolder
from dlspec.training.objective import Objective
from dlspec.training.order import epoch_order
from dlspec.training.settings import TrainOptions
from dlspec.training.state import State


@dataclass
class Training:
    """All that a run works with. Only `state`, `orders` and, in a replay, `checked` change.

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
    notes: list[str] = field(default_factory=list)
    orders: dict[int, torch.Tensor] = field(default_factory=dict)
    """The order of the examples in the epoch at hand, and in the next where that is begun."""

    @property
    def epochs(self) -> int:
        return math.ceil(self.steps / self.steps_per_epoch)

    @property
    def title(self) -> str:
        """`LeNet on Digits`, or `LeNet on mnist` where `--data` stood in for the spec's."""
        replaced = self.options.data.partition(":")[0] if self.options.data else None
        return f"{self.model_name} on {replaced or self.plan.data}"

    @property
    def measured_split(self) -> Examples | None:
        """The validation split, where there is one and something to measure on it."""
        return self.validation if self.objective.single else None

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
        if self.measured_split is None:
            return None
        return self.objective.names[1] if len(self.objective.names) > 1 else "loss"

    @property
    def decisions(self) -> list[float]:
        """The deciding figure of every epoch so far, with its sign turned where more is better."""
        name = self.deciding_figure
        if name is None:
            return []
        sign = -1 if self.objective.higher_is_better(name) else 1
        return [sign * entry[f"val_{name}"] for entry in self.state.history]

    def numbers(self, step: int) -> torch.Tensor:
        """Which examples the batch of a step (from 0) has, where they are gathered."""
        batches = map(self._numbers, range(step, self.steps))
        self.examples.expect(map(self._gathered, batches))
        return self._numbers(step)

    def _numbers(self, step: int) -> torch.Tensor:
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch not in self.orders:
            self.orders = {e: order for e, order in self.orders.items() if e == epoch - 1}
            order = epoch_order(self.examples.count, self.plan.seed, epoch)
            self.orders[epoch] = order.to(self.examples.home)
        start = position * self.plan.batch_size
        return self.orders[epoch][start : start + self.plan.batch_size]

    def share_of_batch(
        self, indices: torch.Tensor, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """This process's share of the batch that has these examples, prepared.

        Where chance has a part, the whole batch is prepared, as any number of processes does.
        """
        share = self.world.divide(len(indices))
        batch = self.prepare_batch(self.examples.gather(self._gathered(indices)), generator)
        if self.world.alone or not self.random:
            return batch
        return {name: field[share.rows] for name, field in batch.items()}

    @cached_property
    def random(self) -> bool:
        """Whether chance has a part in how training examples are prepared."""
        return any(stage.random for stage in training_order(self.dataset.plan))

    def _gathered(self, indices: torch.Tensor) -> torch.Tensor:
        """Those of a batch's examples that this process prepares."""
        return indices if self.random else indices[self.world.part(len(indices)).rows]

    def counted(self, figures: torch.Tensor) -> torch.Tensor:
        """The sums over this process's share of a batch: nothing of what only stands in."""
        return counted(self.world, figures)

    def checkpoint_facts(self) -> dict[str, Any]:
        """What a checkpoint says of the run that it belongs to."""
        return {name: self.facts[name] for name in ("spec_sha256", "machine", "examples")}
