"""What the steps of a plan minimise, with gradients that are those of the whole batch (DDP)."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import nn

from dlspec.ir.training import StepPlan, TrainPlan
from dlspec.layers import snake_case
from dlspec.training.compiling import Compiled
from dlspec.training.distributed import World
from dlspec.training.distributed_batch import whole_batch
from dlspec.training.objective import Batch, Computed, Objective


class Computing:
    """Computes what the steps of a plan minimise, with gradients that are those of the batch.

    Alone or with divided weights the models themselves are called, which in the second case
    bring their weights together; else by way of a DDP for each step, made when the step is
    first taken.

    compiled: computes whole batches in the stead of the functions themselves, where it is so
              chosen and the run has one process.
    """

    def __init__(self, world: World, objective: Objective, plan: TrainPlan, *, sharded: bool):
        self.world = world
        self.objective = objective
        self.plan = plan
        self.sharded = sharded
        self.compiled: Compiled | None = None
        self._wrapped: dict[int, nn.Module] = {}
        self._draws: dict[int, bool] = {}

    def compute(
        self, number: int, models: Sequence[nn.Module], names: Sequence[str], batch: Batch
    ) -> Computed:
        """What step `number` minimises, of this process's share of a batch."""
        step = self.plan.each_batch[number]
        if self.world.alone:
            if self.compiled is not None and self.compiled.takes(batch):
                return self.compiled.compute(number, models, batch)
            return self.objective.compute(step, models, batch)
        updated = [
            model
            for name, model in zip(names, models, strict=True)
            if name in map(snake_case, step.updates)
        ]
        if number not in self._draws:
            self._prepare(number, _Step(self.objective, step, models, updated), batch)
        module = self._wrapped[number]
        with whole_batch(self.world, needed=self._draws[number]):
            return cast(Computed, module(batch))

    def backward(self, computed: Computed, weight: float = 1.0) -> None:
        """Gradients of `weight` times the batch's mean: those of all processes, averaged."""
        scale = self.world.share.scale * weight
        (computed.loss if scale == 1 else computed.loss * scale).backward()

    def _prepare(self, number: int, step: _Step, batch: Batch) -> None:
        """Find out what the step draws and which weights it reaches; wrap it.

        DDP orders its buckets anew after the first batch. One goes through it here, so that a
        run that goes on adds gradients in the order in which an unbroken one does.
        """
        weights = [weight for weight in step.parameters() if weight.requires_grad]
        with _left_alone(step), whole_batch(self.world) as mode:
            computed = step(batch)
        assert mode is not None
        self._draws[number] = mode.used
        if self.sharded:
            self._wrapped[number] = step
            return
        reached = _reached(computed.loss)
        unreached = [weight for weight in weights if id(weight) not in reached]
        for weight in unreached:
            weight.requires_grad_(False)
        del computed
        wrapped = nn.parallel.DistributedDataParallel(step, **_no_buffers())
        for weight in unreached:
            weight.requires_grad_(True)
        with _left_alone(step), whole_batch(self.world), warnings.catch_warnings():
            # Channels last, and first convolutions as products, have gradients laid out in
            # other ways than their weights: DDP copies them, and says so once.
            warnings.filterwarnings("ignore", message="Grad strides do not match bucket")
            self.backward(wrapped(batch))
        for weight in weights:
            weight.grad = None
        self._wrapped[number] = wrapped


def _no_buffers() -> dict[str, Any]:
    """The argument by which DDP leaves buffers alone: all processes compute the same."""
    known = inspect.signature(nn.parallel.DistributedDataParallel).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    return {name: False}


class _Step(nn.Module):
    """A step of the plan as a module of the models that it updates."""

    def __init__(
        self,
        objective: Objective,
        step: StepPlan,
        models: Sequence[nn.Module],
        updated: Sequence[nn.Module],
    ) -> None:
        super().__init__()
        self.updated = nn.ModuleList(updated)
        # In a tuple, the models that the step leaves as they are do not become parts of it.
        self.rest = (objective, step, tuple(models))

    def forward(self, batch: Batch) -> Computed:
        objective, step, models = self.rest
        return objective.compute(step, models, batch)


@contextmanager
def _left_alone(step: _Step) -> Iterator[None]:
    """Afterwards, random states and what models keep beside weights are as they were."""
    buffers = [buffer for model in step.rest[2] for buffer in model.buffers()]
    before = [buffer.clone() for buffer in buffers]
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        yield
    with torch.no_grad():
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)


def _reached(loss: torch.Tensor) -> set[int]:
    """The weights, by their `id`, that the gradient of a loss reaches."""
    found: set[int] = set()
    seen: set[Any] = set()
    waiting: list[Any] = [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(id(node.variable))
        waiting += [following for following, _ in node.next_functions]
    return found
