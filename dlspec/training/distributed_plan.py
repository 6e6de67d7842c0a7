"""Whether a plan can be spread over several processes, and what is said of how it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from dlspec.ir.graph import Program
from dlspec.ir.nodes import LayerNode
from dlspec.ir.objective import LossNode, Objective, PenaltyNode, ShuffleNode
from dlspec.ir.optimizers import Muon
from dlspec.ir.training import TrainPlan
from dlspec.training.distributed import World
from dlspec.training.distributed_batch import draws_for_itself, share_batch_norms
from dlspec.training.distributed_weights import shard
from dlspec.training.problems import SpecProblem


def check_spread(program: Program, plan: TrainPlan, world: World, *, sharded: bool) -> None:
    """Make sure that several processes compute what one does. Raises SpecProblem."""
    if world.alone:
        if sharded:
            raise SpecProblem(
                "`--shard` divides the weights among processes, and this run has one; "
                "`--devices 2` starts two"
            )
        return
    if plan.batch_size < world.size:
        raise SpecProblem(
            f"a batch is divided among the processes: `batch_size = {plan.batch_size}` is less "
            f"than 1 for each of {world.size}"
        )
    for step in plan.each_batch:
        reason = _not_a_mean(program.objectives[step.objective])
        if reason:
            whose = "what is minimised" if step.name == "loss" else f"`step {step.name}`"
            raise SpecProblem(
                f"{whose} cannot be divided among {world.size} processes: {reason}; "
                "it trains in one process"
            )
    if sharded:
        _check_sharded(plan)


def _check_sharded(plan: TrainPlan) -> None:
    if len(plan.each_batch) > 1 or len(plan.models) > 1:
        raise SpecProblem("`--shard` is for a `train` of one model in one step")
    if plan.ema is not None:
        raise SpecProblem("`--shard` has no averaged weights: leave `ema` or `--shard` out")
    if any(isinstance(step.optimizer, Muon) for step in plan.each_batch):
        raise SpecProblem(
            "`muon` works on whole matrices, which `--shard` divides; `adamw` does not"
        )


def _not_a_mean(objective: Objective) -> str | None:
    """Why an objective of a batch is no mean over its examples, if so."""
    means: set[str] = set()
    for node in objective.nodes:
        if isinstance(node, ShuffleNode):
            return "`shuffle` puts the examples of a whole batch in another order"
        if isinstance(node, LossNode | PenaltyNode):
            means.update(node.outputs)
        elif isinstance(node, LayerNode) and means & set(node.inputs):
            if not (node.layer.linear or node.layer.keeps_values):
                return f"`{node.layer.kind}` of a loss is not the mean of those of its parts"
            if means.issuperset(node.inputs):
                means.update(node.outputs)
    return None


def spread_models(
    models: Sequence[nn.Module],
    plan: TrainPlan,
    world: World,
    device: torch.device,
    *,
    sharded: bool,
) -> tuple[list[str], tuple[nn.Module, ...]]:
    """Make models ready to see shares of batches; sentences on how, for the log."""
    if world.alone:
        return [], tuple(models)
    own = [path for model in models for path in draws_for_itself(model)]
    normalised = [share_batch_norms(model, world) for model in models]
    if sharded:
        models = [shard(model, world, device) for model in models]
    notes = [_shares(plan, world, device, sharded=sharded), *_notes(own, any(normalised))]
    return notes, tuple(models)


def _notes(own: Sequence[str], normalised: bool) -> Iterator[str]:
    if normalised:
        yield (
            "BatchNorm: statistics are those of the whole batch, synchronised in every forward pass"
        )
    if own:
        listed = ", ".join(f"`{path}`" for path in own)
        yield (
            f"dropout within {listed} is drawn by each process for itself, "
            "so that this run is not the one that one process would make"
        )


def _shares(plan: TrainPlan, world: World, device: torch.device, *, sharded: bool) -> str:
    """One sentence about the processes and their shares of a batch."""
    least, over = divmod(plan.batch_size, world.size)
    shares = f"{least} examples" if not over else f"{least} or {least + 1} examples"
    means = "weights divided among them (FSDP)" if sharded else "gradients averaged (DDP)"
    backend = "nccl" if device.type == "cuda" else "gloo"
    return (
        f"{world.size} processes ({backend}), {means}: each takes {shares} "
        f"of a batch of {plan.batch_size}"
    )
