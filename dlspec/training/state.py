"""All that changes while a model is trained, and how it goes into a checkpoint and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from dlspec.training.checkpoint import Checkpoint
from dlspec.training.distributed_weights import like, load_weights, whole


@dataclass
class State:
    """A training run at a moment.

    step:   optimizer steps done, all epochs counted.
    models: those being trained, in the plan's order; `model` holds all of them.
    optimizers: one for each step of the plan.
    totals: sums of loss and metrics over the examples of this epoch so far, on the device.
    seen:   how many examples this epoch has had.
    seen_by_step: how many of them each step of the plan has worked on.
    averaged: the models with averaged weights (`ema`), none where there is no average.
    best:   the best figure of the validation split so far, None before the first.
    seconds: time spent training, earlier parts of the run included.
    """

    models: tuple[nn.Module, ...]
    optimizers: tuple[torch.optim.Optimizer, ...]
    device: torch.device
    totals: torch.Tensor
    step: int = 0
    seen: int = 0
    seen_by_step: list[int] = field(default_factory=list[int])
    best: float | None = None
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    names: tuple[str, ...] = ()
    averaged: tuple[nn.Module, ...] = ()

    @property
    def model(self) -> nn.Module:
        """The model itself, or several by their names as one module."""
        return self.whole(self.models)

    @property
    def shown(self) -> tuple[nn.Module, ...]:
        """The models that are measured and kept: those with averaged weights where there are."""
        return self.averaged or self.models

    def whole(self, models: tuple[nn.Module, ...]) -> nn.Module:
        """Models as one module, a single one as itself."""
        if len(models) == 1:
            return models[0]
        return nn.ModuleDict(dict(zip(self.names, models, strict=True)))


def capture(state: State, facts: dict[str, Any]) -> Checkpoint:
    """The state as a checkpoint, with `facts` of the run beside it."""
    tensors = {f"model.{name}": _plain(tensor) for name, tensor in state.model.state_dict().items()}
    if state.averaged:
        averaged = state.whole(state.averaged).state_dict().items()
        tensors |= {f"averaged.{name}": _plain(tensor) for name, tensor in averaged}
    optimizers: list[dict[str, Any]] = []
    for number, optimizer in enumerate(state.optimizers):
        stored = optimizer.state_dict()
        scalars: dict[str, dict[str, Any]] = {}
        # In order: bringing divided tensors together takes the same turns in all processes.
        for index, values in sorted(stored["state"].items()):
            for name, value in sorted(values.items()):
                if isinstance(value, torch.Tensor):
                    tensors[f"optimizer.{number}.{index}.{name}"] = _plain(value)
                else:
                    scalars.setdefault(str(index), {})[name] = value
        optimizers.append({"groups": stored["param_groups"], "scalars": scalars})
    tensors |= _random_states(state.device)
    tensors["totals"] = _plain(state.totals)
    return Checkpoint(
        tensors,
        {
            **facts,
            "step": state.step,
            "seen": state.seen,
            "seen_by_step": state.seen_by_step,
            "best": state.best,
            "seconds": state.seconds,
            "history": state.history,
            "optimizers": optimizers,
        },
    )


def restore(state: State, checkpoint: Checkpoint) -> None:
    """Put a state back where the checkpoint was taken: model, optimizer, random states, position.

    Raises KeyError or RuntimeError where the checkpoint is of another model or optimizer.
    """
    tensors, facts = checkpoint
    load_weights(state.model, _within(tensors, "model."))
    if state.averaged:
        state.whole(state.averaged).load_state_dict(_within(tensors, "averaged."))
    for number, optimizer in enumerate(state.optimizers):
        optimizer.load_state_dict(_optimizer_state(optimizer, number, checkpoint))
    state.totals.copy_(tensors["totals"])
    state.step, state.seen = facts["step"], facts["seen"]
    state.seen_by_step = list(facts["seen_by_step"])
    state.best, state.seconds = facts["best"], facts["seconds"]
    state.history = list(facts["history"])
    torch.set_rng_state(tensors["random.cpu"])
    if state.device.type == "cuda" and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"], state.device)
    if state.device.type == "mps" and "random.mps" in tensors:
        torch.mps.set_rng_state(tensors["random.mps"])


def _within(tensors: dict[str, torch.Tensor], head: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {n.removeprefix(head): t for n, t in tensors.items() if n.startswith(head)}


def _optimizer_state(
    optimizer: torch.optim.Optimizer, number: int, checkpoint: Checkpoint
) -> dict[str, Any]:
    """The optimizer's state as its `load_state_dict` takes it.

    Moments take the memory layout of their weights: fused kernels walk both in one sweep.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    saved = checkpoint.facts["optimizers"][number]
    head = f"optimizer.{number}."
    values: dict[int, dict[str, Any]] = {int(i): dict(s) for i, s in saved["scalars"].items()}
    for full_name, tensor in checkpoint.tensors.items():
        if not full_name.startswith(head):
            continue
        index, name = full_name.removeprefix(head).split(".", 1)
        parameter = parameters[int(index)]
        if name != "step" and tensor.shape == parameter.shape:
            tensor = like(parameter, tensor)
        values.setdefault(int(index), {})[name] = tensor
    groups = [
        {k: tuple(v) if k == "betas" else v for k, v in group.items()} for group in saved["groups"]
    ]
    return {"state": values, "param_groups": groups}


def _random_states(device: torch.device) -> dict[str, torch.Tensor]:
    states = {"random.cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["random.cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        states["random.mps"] = torch.mps.get_rng_state()
    return states


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """A copy on the CPU, which shares nothing (tied weights do) and lies as safetensors wants."""
    return whole(tensor.detach()).to("cpu", copy=True).contiguous()
