"""The optimizers of a run, each over the weights that its step changes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from dlspec.ir.optimizers import Muon as MuonPlan
from dlspec.ir.optimizers import Optimizer
from dlspec.training.muon import Muon, muon_groups

Named = Sequence[tuple[str, nn.Parameter]]
"""Weights with their names, as the optimizer gets them."""

_FUSED = {"cpu": ("SGD", "Adam", "AdamW", "Adagrad"), "cuda": ("SGD", "Adam", "AdamW")}


def build_optimizer(
    plan: Optimizer, weights: Named, others: tuple[str, ...], device: torch.device
) -> torch.optim.Optimizer:
    """The optimizer of a plan, in one fused kernel where PyTorch has one.

    others: the weights that are no hidden matrices, by which Muon divides its work.
    """
    call = plan.torch()
    if isinstance(plan, MuonPlan):
        return Muon(muon_groups(weights, others, **plan.of_others()), **call.kwargs)  # pyright: ignore[reportArgumentType]
    name = call.function.rpartition(".")[2]
    fused = {"fused": True} if name in _FUSED.get(device.type, ()) else {}
    return getattr(torch.optim, name)([weight for _, weight in weights], **call.kwargs, **fused)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate; a group may have a share of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("share", 1.0)
